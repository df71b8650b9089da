/** Routes and inhibitions of the shipped configuration, by amtool and a real Alertmanager. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { writeConfiguration } from '../../../stack/configuration.ts';
import { ensureTools } from '../../../stack/native/tools/tools.ts';
import { readSettings } from '../../../stack/settings.ts';
import { root, startAlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import type { AlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import { until } from '../../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'alertmanager-routes-'));
const shipped = join(root, 'stack/alertmanager/alertmanager.yml');
const { alertmanagerFile: withMail } = writeConfiguration(
  readSettings({
    LLAMASCOPE_RUN_DIR: join(folder, 'run'),
    SMTP_URL: 'smtp://watch:p%40ss@mail.example:2525',
    MAIL_FROM: 'llamascope@example.org',
    MAIL_TO: 'oncall@example.org, second@example.org',
  }),
);
let amtool: string;

beforeAll(async () => {
  ({ amtool } = await ensureTools(process.env['PATH'] ?? '', join(root, '.tools')));
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): string =>
  execFileSync(process.env['AMTOOL'] ?? amtool, args, { encoding: 'utf8', stdio: 'pipe' });

/** Receivers of an alert, in order. */
const receiversOf = (file: string, ...labels: string[]): string[] =>
  run('config', 'routes', 'test', `--config.file=${file}`, ...labels)
    .trim()
    .split(',');

test.each([shipped, withMail])(
  'amtool accepts the configuration without and with a mail server',
  (file) => {
    expect(run('check-config', file)).toContain('SUCCESS');
  },
);

test('critical alerts and warnings go to the notifier, none to email', () => {
  for (const severity of ['critical', 'warning']) {
    const labels = ['alertname=QueueBacklog', 'job=qwen-instruct', `severity=${severity}`];
    expect(receiversOf(shipped, ...labels)).toEqual(['notifier']);
    expect(receiversOf(withMail, ...labels)).toEqual(['notifier']);
  }
});

test.each([
  ['NotifierFailing', 'notifier'],
  // Found by Alertmanager's counter of failed webhooks.
  ['NotifierFailing', 'alertmanager'],
  ['NotifierOutboxStuck', 'notifier'],
  ['TargetDown', 'notifier'],
  ['MetricsAbsent', 'notifier'],
])('%s of %s goes to email and to the notifier', (alertname, job) => {
  const labels = [`alertname=${alertname}`, `job=${job}`, 'severity=critical'];
  expect(receiversOf(withMail, ...labels)).toEqual(['email', 'notifier']);
  expect(receiversOf(shipped, ...labels)).toEqual(['notifier']);
});

test('TargetDown of the chat service does not go to email', () => {
  const labels = ['alertname=TargetDown', 'job=qwen-instruct', 'severity=critical'];
  expect(receiversOf(withMail, ...labels)).toEqual(['notifier']);
});

test('the Watchdog goes to the notifier, an alert that only inhibits others to nobody', () => {
  expect(receiversOf(withMail, 'alertname=Watchdog', 'severity=none')).toEqual(['notifier']);
  const silencer = ['alertname=AllTargetsDown', 'job=qwen-instruct', 'severity=none'];
  expect(receiversOf(withMail, ...silencer)).toEqual(['nobody']);
});

test('HighLatency goes to nobody by its name; a wait for the first token or for each token goes to the notifier', () => {
  const receivers = (alertname: string): string[] =>
    receiversOf(withMail, `alertname=${alertname}`, 'job=qwen-instruct', 'severity=warning');
  expect(receivers('HighLatency')).toEqual(['nobody']);
  expect(receivers('TimeToFirstTokenHigh')).toEqual(['notifier']);
  expect(receivers('TimePerOutputTokenHigh')).toEqual(['notifier']);
});

interface Timed {
  group_interval?: string;
  repeat_interval?: string;
}

// Fault: Alertmanager 0.35 warns of a `repeat_interval` below `group_interval`.
test('critical alerts are repeated every hour, warnings every 12 hours, and none sooner than its group_interval', () => {
  const { route } = parse(readFileSync(shipped, 'utf8')) as { route: Timed & { routes: Timed[] } };
  expect(route.routes.map(({ repeat_interval: repeat }) => repeat)).toEqual([
    '50s',
    undefined,
    undefined,
    '1h',
    '12h',
  ]);
  const secondsOf = (text = '0s'): number =>
    Number.parseInt(text, 10) * { s: 1, m: 60, h: 3600 }[text.slice(-1) as 's' | 'm' | 'h'];
  for (const own of route.routes) {
    const { group_interval: group, repeat_interval: repeat } = { ...route, ...own };
    expect(secondsOf(repeat)).toBeGreaterThanOrEqual(secondsOf(group));
  }
  // Alertmanager repeats at the first `group_interval` after `repeat_interval`: the Watchdog every minute.
  const [watchdog] = route.routes;
  const group = secondsOf(watchdog?.group_interval);
  expect(Math.ceil(secondsOf(watchdog?.repeat_interval) / group) * group).toBe(60);
});

test('the password of the mail server is in its own file, and TLS is required', () => {
  const text = readFileSync(withMail, 'utf8');
  const mail = parse(text).receivers[2].email_configs[0];
  expect(mail).toMatchObject({
    smarthost: 'mail.example:2525',
    require_tls: true,
    auth_username: 'watch',
    from: 'llamascope@example.org',
    to: 'oncall@example.org, second@example.org',
  });
  expect(readFileSync(mail.auth_password_file, 'utf8')).toBe('p@ss');
  expect(text).not.toMatch(/p(@|%40)ss/);
});

test.each([
  ['http://mail.example', 'not shown'],
  // Alertmanager starts without TLS on this port and would hang.
  ['smtps://u:canary@mail.example:587', 'port 465'],
])('a mail server that Alertmanager cannot use is rejected: %s', (url, sentence) => {
  const write = () =>
    writeConfiguration(
      readSettings({ LLAMASCOPE_RUN_DIR: join(folder, 'bad'), SMTP_URL: url, MAIL_TO: 'a@b.c' }),
    );
  expect(write).toThrow(sentence);
  expect(write).not.toThrow('canary');
});

describe('a real Alertmanager', () => {
  let node: AlertmanagerNode;
  beforeAll(async () => {
    node = await startAlertmanagerNode({ config: readFileSync(shipped, 'utf8') });
  });
  afterAll(() => node.stop());

  const alert = (alertname: string, more: Record<string, string> = {}) => ({
    labels: { alertname, job: 'qwen-instruct', severity: 'critical', ...more },
  });
  const nameOf = ({ labels }: { labels: Record<string, string> }): string =>
    [labels['alertname'], labels['job'], labels['instance'], labels['severity']]
      .filter(Boolean)
      .join(' ');

  /** Waits until Alertmanager has processed all of these alerts, and returns the inhibited alerts. */
  async function inhibited(...alerts: ReturnType<typeof alert>[]): Promise<string[]> {
    // Ends the alerts of earlier tests.
    const endsAt = new Date().toISOString();
    await node.post(...(await node.list()).map(({ labels }) => ({ labels, endsAt })));
    await until(async () => (await node.list()).length === 0);
    await node.post(...alerts);
    await until(async () => {
      const seen = await node.list();
      return (
        seen.length === alerts.length && seen.every(({ status }) => status.state !== 'unprocessed')
      );
    });
    const seen = await node.list();
    return seen.filter(({ status }) => status.inhibitedBy.length > 0).map(nameOf);
  }

  test('TargetDown inhibits the alerts of the same instance only', async () => {
    const names = await inhibited(
      alert('TargetDown', { instance: 'a' }),
      alert('QueueBacklog', { instance: 'a' }),
      alert('QueueBacklog', { instance: 'b' }),
      alert('QueueBacklog', { instance: 'a', job: 'notifier' }),
      // This alert is about the whole job, so another instance may be slow.
      alert('TimeToFirstTokenHigh'),
      alert('HighErrorRate'),
    );
    expect(names).toEqual(['QueueBacklog qwen-instruct a critical']);
  });

  test('AllTargetsDown inhibits the alerts of the whole job', async () => {
    const names = await inhibited(
      alert('AllTargetsDown', { severity: 'none' }),
      alert('TargetDown', { instance: 'a' }),
      alert('TargetDown', { instance: 'b' }),
      alert('TimeToFirstTokenHigh'),
      alert('NotifierFailing', { job: 'notifier' }),
      alert('Watchdog', { job: 'prometheus', severity: 'none' }),
    );
    expect(names).toEqual(['TimeToFirstTokenHigh qwen-instruct critical']);
  });

  test('a fast burn inhibits the slow burn of the same SLO', async () => {
    const names = await inhibited(
      alert('ChatErrorBudgetBurn', { slo: 'availability', burn: 'fast' }),
      alert('ChatErrorBudgetBurn', { slo: 'availability', burn: 'slow', severity: 'warning' }),
      alert('ChatErrorBudgetBurn', { slo: 'latency', burn: 'slow', severity: 'warning' }),
      alert('HighLatency', { severity: 'warning' }),
    );
    expect(names).toEqual(['ChatErrorBudgetBurn qwen-instruct warning']);
  });
});
