import { afterEach, beforeEach, expect, test } from 'vitest';
import { feishu, signFeishu } from '../../../alerting/notifier/channels/feishu/feishu.ts';
import type { CallOptions, Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { startFeishuRobot } from '../../../alerting/notifier/channels/feishu/stand-in.ts';
import {
  chinese,
  createAlerts,
  createCall,
  createChannel,
  createMessage,
  deliverAll,
} from '../../support/alerting/notifier-parts.ts';
import type { Robot } from '../../../alerting/notifier/channels/stand-in.ts';

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
    {
      header: {
        title: { content: '[critical] Requests are failing (HighErrorRate)' },
        template: 'red',
      },
    },
    {
      header: {
        title: { content: '[resolved] Requests are failing (HighErrorRate), lasted 8m 12s' },
        template: 'green',
      },
    },
  ]);
  expect(robot.received[0]?.text).toMatch(/^Started: .*\n\n12\.3% of generation requests/);
});

test('people are mentioned while an alert is firing', async () => {
  const mention = { users: ['ou_1'], all: true };
  await deliver({ mention });
  expect(robot.received[0]?.text).toMatch(/<at id=ou_1><\/at> <at id=all><\/at>$/);
});

test.each<[string, object, CallOptions]>([
  ['another secret', { secret: 'SECother' }, {}],
  ['no secret', { secret: undefined }, {}],
])('%s is dead, with the reason', async (_, settings, options) => {
  const detail = expect.stringContaining('Feishu: code 19021, sign match fail');
  const expected = { kind: 'dead', reason: 'refused', detail };
  expect(await deliver(settings, createMessage(), options)).toEqual(expected);
});

// Fault: the clock is two hours late when a card is signed.
test('a clock two hours late is retried, because each attempt is signed anew', async () => {
  const late = { now: () => Date.now() - 7_200_000 };
  const expected = { kind: 'retry', reason: 'clock' };
  expect(await deliver({}, createMessage(), late)).toMatchObject(expected);
});

// Fault: Feishu answers HTTP 400 with 9499, which means two things.
test('9499 "too many request" is retried after a pause, 9499 "Bad Request" is dead', async () => {
  for (const [msg, expected] of [
    ['too many request', { kind: 'retry', reason: 'rate_limited', afterSeconds: 5 }],
    ['Bad Request', { kind: 'dead', reason: 'refused' }],
  ] as const) {
    robot.answers.push({ status: 400, body: JSON.stringify({ code: 9499, msg }) });
    expect(await deliver()).toMatchObject(expected);
  }
});

// Fault: the mentioned person is not in the group.
test('a mention of somebody who is not in the group: the card is sent without it', async () => {
  const mention = { users: ['ou_unknown'] };
  const channel = createChannel(feishu, { url: robot.url, secret, mention });
  const first = await channel.deliver(createMessage(), createCall());
  expect(first).toMatchObject({
    kind: 'partial',
    notice: expect.stringMatching(/^mention refused, sent without it: Feishu: code 11246/),
  });
  expect(await deliverAll(channel, createMessage())).toMatchObject({ kind: 'delivered' });
  expect(robot.received.at(-1)?.text).not.toContain('<at');
});

test('300 alerts are sent in cards of at most 20 KB', async () => {
  const message = createMessage(createAlerts(300), chinese);
  const channel = createChannel(feishu, { url: robot.url, secret });
  const delivery = await deliverAll(channel, message);
  expect(delivery.kind).toBe('delivered');
  const text = robot.received.map((part) => part.text).join('\n');
  expect(text.match(/instance=host-\d+/g)).toHaveLength(300);
});
