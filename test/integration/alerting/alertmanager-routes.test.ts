/** The configuration as shipped, asked by amtool and by a real Alertmanager: who hears of what, and what silences what. */
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

/** Receivers of an alert, in the order in which they hear of it. */
const receiversOf = (file: string, ...labels: string[]): string[] =>
  run('config', 'routes', 'test', `--config.file=${file}`, ...labels)
    .trim()
    .split(',');

test.each([shipped, withMail])('amtool accepts it, without a mail server and with one', (file) => {
  expect(run('check-config', file)).toContain('SUCCESS');
});

test('people hear of what is critical and of warnings by the notifier, and of nothing by mail', () => {
  for (const severity of ['critical', 'warning']) {
    const labels = ['alertname=QueueBacklog', 'job=qwen-instruct', `severity=${severity}`];
    expect(receiversOf(shipped, ...labels)).toEqual(['notifier']);
    expect(receiversOf(withMail, ...labels)).toEqual(['notifier']);
  }
});

test.each([
  ['NotifierFailing', 'notifier'],
  // Alertmanager's own count of webhooks that it could not hand over.
  ['NotifierFailing', 'alertmanager'],
  ['NotifierOutboxStuck', 'notifier'],
  ['TargetDown', 'notifier'],
  ['MetricsAbsent', 'notifier'],
])('%s of %s is mailed past the notifier, and handed to it too', (alertname, job) => {
  const labels = [`alertname=${alertname}`, `job=${job}`, 'severity=critical'];
  expect(receiversOf(withMail, ...labels)).toEqual(['email', 'notifier']);
  expect(receiversOf(shipped, ...labels)).toEqual(['notifier']);
});

test('TargetDown of the chat service is not mailed', () => {
  const labels = ['alertname=TargetDown', 'job=qwen-instruct', 'severity=critical'];
  expect(receiversOf(withMail, ...labels)).toEqual(['notifier']);
});

test('the Watchdog reaches the notifier, and what only silences others reaches nobody', () => {
  expect(receiversOf(withMail, 'alertname=Watchdog', 'severity=none')).toEqual(['notifier']);
  const silencer = ['alertname=AllTargetsDown', 'job=qwen-instruct', 'severity=none'];
  expect(receiversOf(withMail, ...silencer)).toEqual(['nobody']);
});

test('what is critical is repeated within hours, a warning once in a working day', () => {
  const { routes } = parse(readFileSync(shipped, 'utf8')).route;
  const repeats = routes.map((route: { repeat_interval?: string }) => route.repeat_interval);
  expect(repeats).toEqual(['50s', undefined, '1h', '12h']);
});

test('the password of the mail server is in a file of its own, and TLS is asked for', () => {
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
  // Alertmanager would begin without TLS there, and hang.
  ['smtps://u:canary@mail.example:587', 'port 465'],
])('a mail server that Alertmanager cannot speak to is refused: %s', (url, sentence) => {
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

  /** Which alerts are held back, once all of them are known and judged. */
  async function heldBack(...alerts: ReturnType<typeof alert>[]): Promise<string[]> {
    // What an earlier test raised is over.
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

  test('holds back what follows from an instance that is down, of that instance only', async () => {
    const held = await heldBack(
      alert('TargetDown', { instance: 'a' }),
      alert('QueueBacklog', { instance: 'a' }),
      alert('QueueBacklog', { instance: 'b' }),
      alert('QueueBacklog', { instance: 'a', job: 'notifier' }),
      // Of the job as a whole: another instance may well be slow.
      alert('TimeToFirstTokenHigh'),
      alert('HighErrorRate'),
    );
    expect(held).toEqual(['QueueBacklog qwen-instruct a critical']);
  });

  test('holds back what is said of the whole job only when no instance is left', async () => {
    const held = await heldBack(
      alert('AllTargetsDown', { severity: 'none' }),
      alert('TargetDown', { instance: 'a' }),
      alert('TargetDown', { instance: 'b' }),
      alert('TimeToFirstTokenHigh'),
      alert('NotifierFailing', { job: 'notifier' }),
      alert('Watchdog', { job: 'prometheus', severity: 'none' }),
    );
    expect(held).toEqual(['TimeToFirstTokenHigh qwen-instruct critical']);
  });

  test('holds back the slow burn of a budget that burns fast, of the same promise', async () => {
    const held = await heldBack(
      alert('ChatErrorBudgetBurn', { slo: 'availability', burn: 'fast' }),
      alert('ChatErrorBudgetBurn', { slo: 'availability', burn: 'slow', severity: 'warning' }),
      alert('ChatErrorBudgetBurn', { slo: 'latency', burn: 'slow', severity: 'warning' }),
      alert('HighLatency', { severity: 'warning' }),
    );
    expect(held).toEqual(['ChatErrorBudgetBurn qwen-instruct warning']);
  });
});
