/** Alertmanager's own mail, past a notifier that is away: the shipped configuration, a real Alertmanager, a real SMTP server. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import type { ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { expect, onTestFinished, test } from 'vitest';
import { parseDocument } from 'yaml';
import { writeConfiguration } from '../../../stack/configuration.ts';
import { readSettings } from '../../../stack/settings.ts';
import { startAlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import { until } from '../../support/until.ts';

interface Mailbox {
  url: string;
  received: ParsedMail[];
}

async function startMailServer(): Promise<Mailbox> {
  const received: ParsedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData(stream, _, done) {
      simpleParser(stream).then(
        (mail) => {
          received.push(mail);
          done();
        },
        (error: Error) => done(error),
      );
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.server.address() as AddressInfo;
  return { url: `smtp://127.0.0.1:${port}`, received };
}

test('mails that the notifier fails, and that it is over, while the notifier is away', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-email-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const mailbox = await startMailServer();
  const { alertmanagerFile } = writeConfiguration(
    readSettings({
      LLAMASCOPE_RUN_DIR: folder,
      // Nothing listens there.
      NOTIFIER_PORT: '1',
      SMTP_URL: mailbox.url,
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

  const [fired, over] = mailbox.received;
  expect(fired?.subject).toBe('🔥 告警中 firing: NotifierOutboxStuck');
  expect([fired?.to].flat().map((to) => to?.text)).toEqual([
    'oncall@example.org, second@example.org',
  ]);
  expect(fired?.text).toContain('通知积压在发件箱。最早的通知已等待 19m 45s。');
  expect(fired?.text).toContain('The oldest notification waits for 19m 45s.');
  expect(fired?.text).toContain('/runbooks/NotifierOutboxStuck');
  expect(fired?.text).not.toContain('QueueBacklog');
  expect(over?.subject).toBe('✅ 已恢复 resolved: NotifierOutboxStuck');
  expect(over?.text).not.toContain('19m 45s');
  expect(over?.text).not.toContain('0001-');
});
