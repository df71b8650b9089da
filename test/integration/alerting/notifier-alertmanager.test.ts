/** A real Alertmanager, the real notifier, and a robot that checks the signature. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startAlertmanager } from '../../support/alerting/alertmanager.ts';
import type { Alertmanager } from '../../support/alerting/alertmanager.ts';
import { until } from '../../support/until.ts';
import { startDingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import type { DingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { startNotifier } from '../../support/alerting/notifier.ts';
import type { Notifier } from '../../support/alerting/notifier.ts';

let robot: DingTalkRobot;
let notifier: Notifier;
let alertmanager: Alertmanager;
const started: { stop(): Promise<unknown> }[] = [];

beforeEach(async () => {
  robot = await startDingTalkRobot('SECtest');
  notifier = await startNotifier({ DINGTALK_URL: robot.url, DINGTALK_SECRET: 'SECtest' });
  started.push(notifier);
  alertmanager = await startAlertmanager({ webhookUrl: `${notifier.url}/alerts/default` });
  started.push(alertmanager);
});
afterEach(async () => {
  // Stop Alertmanager first, because it sends to the notifier.
  for (const one of started.splice(0).toReversed()) await one.stop();
  await robot.close();
});

const labels = { alertname: 'TimeToFirstTokenHigh', job: 'qwen-instruct', severity: 'warning' };
const annotations = { summary_zh: '回答变慢', description_zh: 'P99 延迟为 7.5s。' };

test('an alert is sent when it fires and when it is resolved', async () => {
  await alertmanager.alert({ labels, annotations });
  await until(() => robot.received.length === 1);
  await alertmanager.alert({ labels, annotations, endsAt: new Date().toISOString() });
  await until(() => robot.received.length === 2);
  const [firing, resolved] = robot.received;
  expect(firing?.title).toBe('【警告】回答变慢（TimeToFirstTokenHigh）');
  expect(firing?.text).toContain('P99 延迟为 7.5s。');
  expect(resolved?.title).toMatch(/^【已恢复】回答变慢（TimeToFirstTokenHigh），持续 \d+ 秒$/);
  expect(`${firing?.text}${resolved?.text}`).not.toContain('0001-');
});

test('an alert that stays firing is sent once, however often Prometheus sends it', async () => {
  await alertmanager.alert({ labels });
  await until(() => robot.received.length === 1);
  await alertmanager.alert({ labels });
  // This alert arrives in the next group interval. A repeat of the first message would arrive then too.
  await alertmanager.alert({ labels: { ...labels, instance: 'b' } });
  await until(() => robot.received.length === 2);
  expect(robot.received[1]?.text).toContain('instance=b');
});

test('the Watchdog is recorded and sent to no channel', async () => {
  await alertmanager.alert({ labels: { alertname: 'Watchdog', severity: 'none' } });
  await until(async () => {
    const page = await (await fetch(`${notifier.url}/api/notifications`)).text();
    return /"lastSeenAt":"2/.test(page);
  });
  expect(robot.calls).toBe(0);
});
