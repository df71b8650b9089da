/**
 * The fault matrix: each row of what a receiver of Alertmanager's goes through, with a real Prometheus, a real
 * Alertmanager, the real notifier and a robot. In every row what was raised is told, in order, and nothing twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAlertmanager } from '../../support/alerting/alertmanager.ts';
import { until } from '../../support/until.ts';
import { startFeishuRobot } from '../../support/alerting/feishu.ts';
import { startAlerting } from '../../support/alerting/notifier-alerting.ts';
import type { Alerting } from '../../support/alerting/notifier-alerting.ts';
import type { Robot, RobotAnswer } from '../../support/alerting/notifier-robot.ts';
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

/** What the robot accepted about an alert of this name, in order. */
function told(name: string): string[] {
  const about = robot.received.filter(({ text }) => text.includes(`name=${name}`));
  return about.map(({ title }) => (title.includes('Resolved') ? 'resolved' : 'firing'));
}

async function fire(name: string): Promise<void> {
  alerting.setMetric(name, 1);
  await until(() => isFiring(name));
}

async function isFiring(name: string): Promise<boolean> {
  const response = await fetch(`${alerting.prometheusUrl}/api/v1/alerts`);
  return (await response.text()).includes(`"name":"${name}"`);
}

/** Ends it and waits until Alertmanager has forgotten it. */
async function resolve(name: string): Promise<void> {
  alerting.setMetric(name, 0);
  await until(async () => {
    const response = await fetch(`${alerting.alertmanagerUrl}/api/v2/alerts`).catch(
      () => undefined,
    );
    return response !== undefined && !(await response.text()).includes(`"name":"${name}"`);
  });
}

/** Until it has tried no more for twice its group_interval: what it has not told by then it never tells. */
async function untilAlertmanagerGivesUp(): Promise<void> {
  let seen = '';
  let since = performance.now();
  await until(async () => {
    const text = await (await fetch(`${alerting.alertmanagerUrl}/metrics`)).text();
    const tried = /^alertmanager_notification_requests_total.*"webhook".*$/m.exec(text)?.[0] ?? '';
    if (tried !== seen) [seen, since] = [tried, performance.now()];
    return performance.now() - since > 4500;
  }, 40);
}

const page: RobotAnswer = { status: 502, body: '<html>' };
const rows: [string, RobotAnswer[]][] = [
  ['error-code', [{ status: 200, body: '{"code":19999,"msg":"busy"}' }]],
  ['not-found', [{ status: 404, body: '<html>' }]],
  ['too-many', [{ status: 429, body: '', headers: { 'retry-after': '1' } }]],
  ['unavailable', [page, { status: 503, body: '' }]],
  ['reset', ['reset', 'reset']],
  ['hang', ['hang']],
];

test.each(rows)(
  'a robot that answers with %s is told once, and Alertmanager had its 200',
  async (name, answers) => {
    robot.answers.push(...answers);
    await fire(name);
    await until(() => told(name).length === 1);
    await resolve(name);
    await until(() => told(name).length === 2);
    expect(told(name)).toEqual(['firing', 'resolved']);
  },
);

test('a robot slower than group_interval is told once', async () => {
  robot.beforeAnswer = () => delay(4000);
  await fire('slow');
  await until(async () => (await notifier.list())[0]?.state === 'delivered');
  robot.beforeAnswer = () => undefined;
  await resolve('slow');
  await until(() => told('slow').length === 2);
  expect(told('slow')).toEqual(['firing', 'resolved']);
});

test.each<[string, RobotAnswer]>([
  ['429-until-over', { status: 429, body: '', headers: { 'retry-after': '8' } }],
  ['down-until-over', 'reset'],
])(
  '%s: an alert that ended before the robot was back is told, then its end',
  async (name, answer) => {
    robot.answers.push(...Array.from({ length: 3 }, () => answer));
    await fire(name);
    await resolve(name);
    robot.answers.length = 0;
    await until(() => told(name).length === 2, 60);
    expect(told(name)).toEqual(['firing', 'resolved']);
  },
);

test('an alert that flaps is told in order and is over at the end', async () => {
  await fire('flap');
  await until(() => told('flap').length === 1);
  await resolve('flap');
  await fire('flap');
  await resolve('flap');
  await until(() => told('flap').at(-1) === 'resolved' && told('flap').length % 2 === 0);
  expect(
    told('flap').map((state, index) => state === (index % 2 === 0 ? 'firing' : 'resolved')),
  ).not.toContain(false);
});

test('two Alertmanagers that both tell are heard once', async () => {
  const webhookUrl = `${notifier.url}/alerts/default`;
  const pair = await Promise.all([
    startAlertmanager({ webhookUrl }),
    startAlertmanager({ webhookUrl }),
  ]);
  const startsAt = new Date().toISOString();
  const alert = { labels: { alertname: 'Pair', name: 'pair' }, startsAt };
  await Promise.all(pair.map((one) => one.alert(alert)));
  const heard = (): number => notifier.output().match(/"status":"duplicate"/g)?.length ?? 0;
  await until(() => told('pair').length === 1 && heard() === 1);
  await Promise.all(pair.map((one) => one.stop()));
});

test('300 alerts in one webhook, 299 of them over: the one that still fires is told', async () => {
  const alertmanager = await startAlertmanager({ webhookUrl: `${notifier.url}/alerts/default` });
  const send = (endsAt?: string): Promise<unknown> =>
    Promise.all(
      Array.from({ length: endsAt === undefined ? 300 : 299 }, (_, index) =>
        alertmanager.alert({
          labels: { alertname: 'Many', name: `many-${index}` },
          ...(endsAt !== undefined && { endsAt }),
        }),
      ),
    );
  const text = (): string => robot.received.map((message) => message.text).join('\n');
  await send();
  await until(() =>
    Array.from({ length: 300 }, (_, index) => index).every(
      (index) =>
        text().includes(`🔥 Many · name=many-${index} `) || text().includes(`name=many-${index}\n`),
    ),
  );
  const before = robot.received.length;
  await send(new Date().toISOString());
  const after = (): string =>
    robot.received
      .slice(before)
      .map((message) => message.text)
      .join('\n');
  await until(
    () =>
      (after().match(/Resolved · Many/g)?.length ?? 0) >= 299 &&
      /(🔥|\*\*)[^\n]*Many[^\n]*(\n[^*]*)?name=many-299/.test(after()),
    40,
  );
  await alertmanager.stop();
}, 90_000);

test('Alertmanager killed right after a delivery: the firing is not told again, the end is', async () => {
  await fire('killed');
  await until(() => told('killed').length === 1);
  await alerting.stopAlertmanager('SIGKILL');
  await alerting.startAlertmanager();
  await resolve('killed');
  await until(() => told('killed').includes('resolved'), 40);
  expect(told('killed')).toEqual(['firing', 'resolved']);
}, 60_000);

test('Alertmanager down at the crossing, longer than group_interval: told when it is back', async () => {
  await alerting.stopAlertmanager();
  await fire('down-at-crossing');
  await delay(2500);
  await alerting.startAlertmanager();
  await until(() => told('down-at-crossing').length === 1, 60);
  await resolve('down-at-crossing');
  await until(() => told('down-at-crossing').length === 2);
  expect(told('down-at-crossing')).toEqual(['firing', 'resolved']);
}, 100_000);

test('a notifier that was down while an alert came and went finds it, and tells it as such', async () => {
  await alerting.silence('silenced');
  await fire('silenced');
  await notifier.stop('SIGKILL');
  await fire('unseen');
  await resolve('unseen');
  await untilAlertmanagerGivesUp();
  notifier = await startNotifier(settings);
  await until(() => told('unseen').length === 1, 60);
  expect(told('unseen')).toEqual(['resolved']);
  expect(robot.received.at(-1)?.text).toContain(
    'Prometheus had this alert, Alertmanager never told',
  );
}, 100_000);

test('an alert that was silenced all the while is told by nobody', () => {
  expect(told('silenced')).toEqual([]);
});

test('Alertmanager loses what it knew while an alert ends: its end is found, and told as such', async () => {
  await fire('endless');
  await until(() => told('endless').length === 1);
  await alerting.stopAlertmanager('SIGKILL');
  alerting.setMetric('endless', 0);
  await until(async () => !(await isFiring('endless')));
  await alerting.startAlertmanager({ empty: true });
  await until(() => told('endless').length === 2, 60);
  expect(told('endless')).toEqual(['firing', 'resolved']);
  const end = robot.received.at(-1)?.text;
  expect(end).toContain('this alert is over, Alertmanager never said so');
  expect(end).toMatch(/- Lasted: \d+s/);
}, 100_000);
