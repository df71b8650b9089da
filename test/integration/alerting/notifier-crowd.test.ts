/** A row of the fault matrix with a robot of its own, whose rate limit no other test uses up, and without reconciliation. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFeishuRobot } from '../../../alerting/notifier/channels/feishu/stand-in.ts';
import type { Robot } from '../../../alerting/notifier/channels/stand-in.ts';
import { startAlertmanager } from '../../support/alerting/alertmanager.ts';
import { startNotifier, type Notifier } from '../../support/alerting/notifier.ts';
import { until } from '../../support/until.ts';

let robot: Robot;
let notifier: Notifier;

beforeAll(async () => {
  robot = await startFeishuRobot('SECtest');
  notifier = await startNotifier({
    NOTIFIER_LOCALE: 'en',
    FEISHU_URL: robot.url,
    FEISHU_SECRET: 'SECtest',
  });
});
afterAll(async () => {
  await notifier.stop('SIGKILL');
  await robot.close();
});

// Fault: 300 alerts in one webhook, and all but one end. Alone: with a limit, the one that fires is cut off.
test('300 alerts in one webhook, 299 of them resolved: the one that is firing is sent', async () => {
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
        text().includes(`🔥 [firing] Many · name=many-${index} `) ||
        text().includes(`name=many-${index}\n`),
    ),
  );
  const before = robot.received.length;
  await send(new Date().toISOString());
  const after = (): string =>
    robot.received
      .slice(before)
      .map((message) => message.text)
      .join('\n');
  const ended = (): string[] => after().match(/\[resolved\] Many/g) ?? [];
  await until(() => ended().length >= 299, 90);
  // Whether it is told again depends on how Alertmanager divided the group: it never is as resolved.
  expect(ended()).toHaveLength(299);
  expect(after()).not.toMatch(/\[resolved\] Many[^*]*\*\*[^*]*name=many-299\n/);
  await alertmanager.stop();
}, 150_000);
