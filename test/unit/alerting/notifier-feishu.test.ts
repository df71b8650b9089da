import { afterEach, beforeEach, expect, test } from 'vitest';
import { feishu, signFeishu } from '../../../alerting/notifier/channels/feishu.ts';
import type { CallOptions, Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { startFeishuRobot } from '../../support/alerting/feishu.ts';
import {
  chinese,
  createAlerts,
  createCall,
  createChannel,
  createMessage,
  deliverAll,
} from '../../support/alerting/notifier-parts.ts';
import type { Robot } from '../../support/alerting/notifier-robot.ts';

const secret = 'SECtest';
let robot: Robot;
beforeEach(async () => {
  robot = await startFeishuRobot(secret, { keyword: 'HighErrorRate' });
});
afterEach(() => robot.close());

function deliver(
  settings: object = {},
  message = createMessage(),
  options: CallOptions = {},
): Promise<Delivery> {
  const channel = createChannel(feishu, { url: robot.url, secret, ...settings }, options);
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

test.each<[string, object, CallOptions]>([
  ['another secret', { secret: 'SECother' }, {}],
  ['no secret', { secret: undefined }, {}],
  ['a clock two hours late', {}, { now: () => Date.now() - 7_200_000 }],
])('%s is dead, with the reason', async (_, settings, options) => {
  const detail = expect.stringContaining('Feishu: code 19021, sign match fail');
  const expected = { kind: 'dead', reason: 'refused', detail };
  expect(await deliver(settings, createMessage(), options)).toEqual(expected);
});

test('300 alerts are sent in cards of at most 20 KB', async () => {
  const message = createMessage(createAlerts(300), chinese);
  const channel = createChannel(feishu, { url: robot.url, secret });
  const delivery = await deliverAll(channel, message);
  expect(delivery.kind).toBe('delivered');
  const text = robot.received.map((part) => part.text).join('\n');
  expect(text.match(/instance=host-\d+/g)).toHaveLength(300);
});
