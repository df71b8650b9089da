import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFeishu, signFeishu } from '../../../alerting/notifier/channels/feishu.ts';
import type { Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { startFeishuRobot } from '../../support/alerting/feishu.ts';
import {
  chinese,
  createAlerts,
  createCall,
  createMessage,
} from '../../support/alerting/notifier-parts.ts';
import type { Robot } from '../../support/alerting/notifier-robot.ts';

const secret = 'SECtest';
let robot: Robot;
beforeEach(async () => {
  robot = await startFeishuRobot(secret, { keyword: 'HighErrorRate' });
});
afterEach(() => robot.close());

function deliver(options: object = {}, message = createMessage()): Promise<Delivery> {
  const channel = createFeishu({ url: new URL(robot.url), secret, ...options });
  return channel.deliver(message, createCall());
}

test('signs as the vendor does', () => {
  expect(signFeishu(1_700_000_000, secret)).toBe('G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk=');
});

test('delivers a signed card, red while firing and green when resolved', async () => {
  expect(await deliver()).toEqual({ kind: 'delivered', detail: 'Feishu: code 0, success' });
  await deliver({}, createMessage([createAlert({ status: 'resolved' })]));
  expect(robot.received.map(({ body }) => body['card'])).toMatchObject([
    { header: { title: { content: '🔥 Firing: HighErrorRate' }, template: 'red' } },
    { header: { title: { content: '✅ Resolved: HighErrorRate' }, template: 'green' } },
  ]);
  expect(robot.received[0]?.text).toMatch(
    /^\*\*critical · HighErrorRate\*\*\n\nRequests are failing/,
  );
});

test('people are mentioned while an alert is firing', async () => {
  const mention = { users: ['ou_1'], all: true };
  await deliver({ mention });
  expect(robot.received[0]?.text).toMatch(/<at id=ou_1><\/at> <at id=all><\/at>$/);
});

test.each([
  ['another secret', { secret: 'SECother' }, '19021'],
  ['no secret', { secret: undefined }, '19021'],
  ['a clock two hours late', { now: () => Date.now() - 7_200_000 }, '19021'],
])('%s is dead, with the reason', async (_, options, code) => {
  const detail = expect.stringContaining(`Feishu: code ${code}, sign match fail`);
  expect(await deliver(options)).toEqual({ kind: 'dead', reason: 'refused', detail });
});

test('300 alerts are sent in cards of at most 20 KB', async () => {
  const message = createMessage(createAlerts(300), chinese);
  let delivery = await deliver({}, message);
  const channel = createFeishu({ url: new URL(robot.url), secret });
  while (delivery.kind === 'partial') {
    delivery = await channel.deliver(message, createCall({ progress: delivery.progress }));
  }
  expect(delivery.kind).toBe('delivered');
  const text = robot.received.map((part) => part.text).join('\n');
  expect(text.match(/instance=host-\d+/g)).toHaveLength(300);
});
