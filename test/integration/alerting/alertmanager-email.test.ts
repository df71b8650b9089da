/** Alertmanager's own emails about the notifier: the shipped configuration, a real Alertmanager and a real SMTP server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseDocument } from 'yaml';
import { writeConfiguration } from '../../../stack/configuration.ts';
import { readSettings } from '../../../stack/settings.ts';
import { startAlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import { startMailServer } from '../../support/alerting/smtp.ts';
import { until } from '../../support/until.ts';

test('sends firing and resolved emails while the notifier is down', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-email-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const mailbox = await startMailServer({ disabledCommands: ['STARTTLS', 'AUTH'] });
  onTestFinished(() => mailbox.close());
  const { alertmanagerFile } = writeConfiguration(
    readSettings({
      LLAMASCOPE_RUN_DIR: folder,
      // Nothing listens on this port.
      NOTIFIER_PORT: '1',
      SMTP_URL: `smtp://127.0.0.1:${mailbox.port}`,
      MAIL_FROM: 'llamascope@example.org',
      MAIL_TO: 'oncall@example.org, second@example.org',
    }),
  );
  const config = parseDocument(readFileSync(alertmanagerFile, 'utf8'));
  config.setIn(['route', 'group_wait'], '0s');
  config.setIn(['route', 'group_interval'], '1s');
  const node = await startAlertmanagerNode({ config: String(config) });
  onTestFinished(() => node.stop());

  const alert = {
    labels: { alertname: 'NotifierOutboxStuck', job: 'notifier', severity: 'critical' },
    annotations: {
      summary: 'Notifications wait and do not leave',
      description: 'The oldest notification waits for 19m 45s.',
      summary_zh: '通知积压在发件箱',
      description_zh: '最早的通知已等待 19m 45s。',
      runbook_url: 'http://127.0.0.1:8060/runbooks/NotifierOutboxStuck',
    },
  };
  const slow = { labels: { alertname: 'QueueBacklog', job: 'qwen-instruct', severity: 'warning' } };
  await node.post(slow, alert);
  await until(() => mailbox.received.length === 1);
  await node.post({ ...alert, endsAt: new Date().toISOString() });
  await until(() => mailbox.received.length === 2);

  const [firing, resolved] = mailbox.received.map(({ mail }) => mail);
  expect(firing?.subject).toBe('🔥 告警：通知积压在发件箱 / Firing: NotifierOutboxStuck');
  expect([firing?.to].flat().map((to) => to?.text)).toEqual([
    'oncall@example.org, second@example.org',
  ]);
  expect(firing?.text).toContain('通知积压在发件箱。最早的通知已等待 19m 45s。');
  expect(firing?.text).toContain('The oldest notification waits for 19m 45s.');
  expect(firing?.text).toContain('/runbooks/NotifierOutboxStuck');
  expect(firing?.text).not.toContain('QueueBacklog');
  expect(resolved?.subject).toBe('✅ 已恢复：通知积压在发件箱 / Resolved: NotifierOutboxStuck');
  expect(resolved?.text).not.toContain('19m 45s');
  expect(resolved?.text).not.toContain('0001-');
});
