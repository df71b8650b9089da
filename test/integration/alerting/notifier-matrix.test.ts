/**
 * The fault matrix of the notifier's README, with a real Prometheus, Alertmanager and notifier, and a robot that misbehaves.
 * In every row each notification reaches the robot once and in order.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAlertmanager } from '../../support/alerting/alertmanager.ts';
import { until } from '../../support/until.ts';
import { startFeishuRobot } from '../../../alerting/notifier/channels/feishu/stand-in.ts';
import { startAlerting } from '../../support/alerting/notifier-alerting.ts';
import type { Alerting } from '../../support/alerting/notifier-alerting.ts';
import type { Robot, RobotAnswer } from '../../../alerting/notifier/channels/stand-in.ts';
import { freePort } from '../../support/free-ports.ts';
import { newOutboxPath, startNotifier } from '../../support/alerting/notifier.ts';
import type { Notifier } from '../../support/alerting/notifier.ts';

const settings: Record<string, string> = { NOTIFIER_DB: newOutboxPath(), NOTIFIER_LOCALE: 'en' };
let robot: Robot;
let alerting: Alerting;
let notifier: Notifier;

beforeAll(async () => {
  robot = await startFeishuRobot('SECtest');
  const port = await freePort();
  alerting = await startAlerting({
    webhookUrls: [`http://127.0.0.1:${port}/alerts/default`],
    groupInterval: '2s',
    resendDelay: '2s',
  });
  Object.assign(settings, {
    NOTIFIER_PORT: String(port),
    PROMETHEUS_URL: alerting.prometheusUrl,
    ALERTMANAGER_URL: alerting.alertmanagerUrl,
    NOTIFIER_RECONCILE_SECONDS: '6',
    FEISHU_URL: robot.url,
    FEISHU_SECRET: 'SECtest',
  });
  notifier = await startNotifier(settings);
});
afterAll(async () => {
  await alerting.stop();
  await notifier.stop('SIGKILL');
  await robot.close();
});

/** The notifications about this alert that the robot accepted, in order. */
function sent(name: string): string[] {
  const about = robot.received.filter(({ text }) => text.includes(`name=${name}`));
  return about.map(({ title }) => (title.startsWith('[resolved]') ? 'resolved' : 'firing'));
}

async function fire(name: string): Promise<void> {
  alerting.setMetric(name, 1);
  await until(() => isFiring(name));
}

async function isFiring(name: string): Promise<boolean> {
  const response = await fetch(`${alerting.prometheusUrl}/api/v1/alerts`);
  return (await response.text()).includes(`"name":"${name}"`);
}

/** Ends the alert and waits until Alertmanager no longer lists it. */
async function resolve(name: string): Promise<void> {
  alerting.setMetric(name, 0);
  await until(async () => {
    const response = await fetch(`${alerting.alertmanagerUrl}/api/v2/alerts`).catch(
      () => undefined,
    );
    return response !== undefined && !(await response.text()).includes(`"name":"${name}"`);
  });
}

/** Waits until Alertmanager has sent nothing for 4.5 s, longer than the longest pause between its retries. */
async function untilAlertmanagerGivesUp(): Promise<void> {
  let seen = 0;
  let since = performance.now();
  await until(async () => {
    const requests = await alerting.sample('alertmanager_notification_requests_total', '"webhook"');
    if (requests !== seen) [seen, since] = [requests, performance.now()];
    return performance.now() - since > 4500;
  }, 40);
}

const page: RobotAnswer = { status: 502, body: '<html>' };
const rows: [string, RobotAnswer[]][] = [
  // Fault: the robot answers 200 with an error code. Alone: counts it as success. Result: tried again, and each notification arrives once.
  ['error-code', [{ status: 200, body: '{"code":19999,"msg":"busy"}' }]],
  // Fault: the robot answers 404 or 429. Alone: one attempt a `group_interval`. Result: tried again, and each notification arrives once.
  ['not-found', [{ status: 404, body: '<html>' }]],
  ['too-many', [{ status: 429, body: '', headers: { 'retry-after': '1' } }]],
  // Fault: the robot answers 502 or 503, or resets the connection. Alone: 9 attempts in 30 s, then a new window. Result: tried again, and each notification arrives once.
  ['unavailable', [page, { status: 503, body: '' }]],
  ['reset', ['reset', 'reset']],
  // Fault: the robot hangs. Alone: one attempt a `group_interval`. Result: tried again, and each notification arrives once.
  ['hang', ['hang']],
];

test.each(rows)('a robot that fails with %s gets each notification once', async (name, answers) => {
  robot.answers.push(...answers);
  await fire(name);
  await until(() => sent(name).length === 1);
  await resolve(name);
  await until(() => sent(name).length === 2);
  expect(sent(name)).toEqual(['firing', 'resolved']);
});

// Fault: the robot answers after `group_interval`. Alone: endless duplicates.
test('a robot slower than group_interval gets each notification once', async () => {
  const answered = Promise.withResolvers<void>();
  robot.beforeAnswer = () => answered.promise;
  await fire('slow');
  await until(() => sent('slow').length === 1);
  // Alertmanager queries its log of sent notifications every group_interval, and would repeat one without an answer.
  const queries = (): Promise<number> => alerting.sample('alertmanager_nflog_queries_total');
  const before = await queries();
  await until(async () => (await queries()) >= before + 2);
  answered.resolve();
  await until(async () => (await notifier.list())[0]?.state === 'delivered');
  robot.beforeAnswer = () => undefined;
  await resolve('slow');
  await until(() => sent('slow').length === 2);
  expect(sent('slow')).toEqual(['firing', 'resolved']);
});

test.each<[string, RobotAnswer]>([
  // Fault: the robot answers 429, or is down, until the alert is over. Alone: **never delivered**. Result: the firing, then the end.
  ['429-until-over', { status: 429, body: '', headers: { 'retry-after': '8' } }],
  ['down-until-over', 'reset'],
])(
  '%s: an alert that ended before the robot recovered is sent, then its end',
  async (name, answer) => {
    robot.answers.push(...Array.from({ length: 3 }, () => answer));
    await fire(name);
    // Otherwise the alert may end before Alertmanager has heard of it, and is never sent.
    await until(() => robot.answers.length < 3);
    await resolve(name);
    robot.answers.length = 0;
    await until(() => sent(name).length === 2, 60);
    expect(sent(name)).toEqual(['firing', 'resolved']);
  },
);

// Fault: an alert fires, ends, fires and ends. Alone: one firing, one resolved.
test('a flapping alert is sent in order and is resolved in the end', async () => {
  await fire('flap');
  await until(() => sent('flap').length === 1);
  await resolve('flap');
  await fire('flap');
  await resolve('flap');
  await until(() => sent('flap').at(-1) === 'resolved' && sent('flap').length % 2 === 0);
  expect(
    sent('flap').map((state, index) => state === (index % 2 === 0 ? 'firing' : 'resolved')),
  ).not.toContain(false);
});

// Fault: two Alertmanagers send the same. Alone: 2 deliveries.
test('a pair of Alertmanagers that both send causes one notification', async () => {
  const webhookUrl = `${notifier.url}/alerts/default`;
  const pair = await Promise.all([
    startAlertmanager({ webhookUrl }),
    startAlertmanager({ webhookUrl }),
  ]);
  const startsAt = new Date().toISOString();
  const alert = { labels: { alertname: 'Pair', name: 'pair' }, startsAt };
  await Promise.all(pair.map((one) => one.alert(alert)));
  const duplicates = (): number => notifier.output().match(/"status":"duplicate"/g)?.length ?? 0;
  await until(() => sent('pair').length === 1 && duplicates() === 1);
  await Promise.all(pair.map((one) => one.stop()));
});

// Fault: Alertmanager is killed after a delivery. Alone: the firing again, or no resolved.
test('Alertmanager killed right after a delivery: the firing is not repeated, the end is sent', async () => {
  await fire('killed');
  await until(() => sent('killed').length === 1);
  await alerting.stopAlertmanager('SIGKILL');
  await alerting.startAlertmanager();
  await resolve('killed');
  await until(() => sent('killed').includes('resolved'), 40);
  expect(sent('killed')).toEqual(['firing', 'resolved']);
}, 60_000);

// Fault: Alertmanager is down at the crossing. Alone: sent when it is back.
test('Alertmanager down until Prometheus drops the alert: sent when it is back', async () => {
  await alerting.stopAlertmanager();
  await fire('down-at-crossing');
  const dropped = (): Promise<number> => alerting.sample('prometheus_notifications_dropped_total');
  const before = await dropped();
  await until(async () => (await dropped()) > before);
  await alerting.startAlertmanager();
  await until(() => sent('down-at-crossing').length === 1, 60);
  await resolve('down-at-crossing');
  await until(() => sent('down-at-crossing').length === 2);
  expect(sent('down-at-crossing')).toEqual(['firing', 'resolved']);
}, 100_000);

// Fault: the notifier is down while an alert comes and goes. Alone: **never delivered**.
test('an alert that fired and ended while the notifier was down is found, and marked as such', async () => {
  await alerting.silence('silenced');
  await fire('silenced');
  await notifier.stop('SIGKILL');
  await fire('unseen');
  await resolve('unseen');
  await untilAlertmanagerGivesUp();
  notifier = await startNotifier(settings);
  await until(() => sent('unseen').length === 1, 60);
  expect(sent('unseen')).toEqual(['resolved']);
  expect(robot.received.at(-1)?.text).toContain(
    'Prometheus has this alert, but no notification arrived',
  );
}, 100_000);

// Fault: an alert is silenced all the while. Alone: nothing.
test('a silenced alert is not sent', () => {
  expect(sent('silenced')).toEqual([]);
});

// Fault: Alertmanager loses its data while an alert ends. Alone: **resolved never delivered**.
test('an alert that ended while Alertmanager lost its data is found, and marked as such', async () => {
  await fire('endless');
  await until(() => sent('endless').length === 1);
  await alerting.stopAlertmanager('SIGKILL');
  alerting.setMetric('endless', 0);
  await until(async () => !(await isFiring('endless')));
  await alerting.startAlertmanager({ empty: true });
  await until(() => sent('endless').length === 2, 60);
  expect(sent('endless')).toEqual(['firing', 'resolved']);
  const end = robot.received.at(-1)?.text;
  expect(end).toContain('this alert is resolved, but no notification of that arrived');
}, 100_000);
