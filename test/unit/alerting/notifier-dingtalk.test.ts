import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dingtalk, signDingTalk } from '../../../alerting/notifier/channels/dingtalk/dingtalk.ts';
import type { CallOptions, Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import {
  robotToken,
  startDingTalkRobot,
} from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import type { DingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import {
  chinese,
  createAlerts,
  createCall,
  createChannel,
  createMessage,
  deliverAll,
} from '../../support/alerting/notifier-parts.ts';

const secret = 'SECtest';

let robot: DingTalkRobot;
beforeEach(async () => {
  robot = await startDingTalkRobot(secret, { keyword: 'HighErrorRate' });
});
afterEach(() => robot.close());

async function deliver(
  settings: object = {},
  message = createMessage(),
  options: CallOptions = {},
): Promise<Delivery> {
  const channel = createChannel(dingtalk, { url: robot.url, secret, ...settings }, options);
  const delivery = await channel.deliver(message, createCall());
  expect(JSON.stringify(delivery)).not.toMatch(new RegExp(`${secret}|${robotToken}|sign=`));
  return delivery;
}

test('signs as the vendor does', () => {
  expect(encodeURIComponent(signDingTalk(1_700_000_000_000, secret))).toBe(
    'aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D',
  );
});

test('delivers a signed markdown message with its title', async () => {
  expect(await deliver()).toEqual({ kind: 'delivered', detail: 'DingTalk: errcode 0, ok' });
  expect(robot.received).toMatchObject([
    { title: '[critical] Requests are failing (HighErrorRate)' },
  ]);
  expect(robot.received[0]?.text).toContain('Requests are failing');
});

test('a mention is in the text and in `at` while an alert is firing', async () => {
  const mention = { mobiles: ['13800000000'], users: ['manager01'], all: false };
  await deliver({ mention });
  expect(robot.received[0]?.text).toMatch(/\n\n@13800000000 @manager01$/);
  expect(robot.received[0]?.body['at']).toEqual({
    atMobiles: ['13800000000'],
    atUserIds: ['manager01'],
    isAtAll: false,
  });
  await deliver({ mention }, createMessage([createAlert({ status: 'resolved' })]));
  expect(robot.received[1]?.text).not.toContain('@');
  expect(robot.received[1]?.body['at']).toMatchObject({ atMobiles: [] });
});

test('a card has the links of its first alert as buttons', async () => {
  expect(await deliver({ card: true })).toMatchObject({ kind: 'delivered' });
  expect(robot.received[0]?.body).toMatchObject({
    msgtype: 'actionCard',
    actionCard: {
      title: '[critical] Requests are failing (HighErrorRate)',
      btns: [
        { title: 'Runbook', actionURL: 'http://127.0.0.1:8060/runbooks/HighErrorRate?lang=en' },
        { title: 'Graph' },
      ],
    },
  });
});

test('500 alerts are sent in parts of at most 20,000 bytes, one call each, none left out', async () => {
  const message = createMessage(createAlerts(500), chinese);
  const channel = createChannel(dingtalk, { url: robot.url, secret });
  const delivery = await deliverAll(channel, message);
  expect(delivery.kind).toBe('delivered');
  const text = robot.received.map((part) => part.text).join('\n');
  const listed = text.match(/instance=host-\d+/g) ?? [];
  expect(listed).toEqual(createAlerts(500).map(({ labels }) => `instance=${labels['instance']}`));
});

describe('a message that the robot refuses is dead, with its reason', () => {
  test.each<[string, object, CallOptions]>([
    ['another secret', { secret: 'SECother' }, {}],
    ['no secret', { secret: undefined }, {}],
  ])('%s', async (_, settings, options) => {
    const detail = 'DingTalk: errcode 310000, sign not match';
    const expected = { kind: 'dead', reason: 'refused', detail };
    expect(await deliver(settings, createMessage(), options)).toEqual(expected);
  });

  // Fault: the clock is two hours late when a message is signed. Result: retried, because each attempt is signed anew.
  test('but a clock two hours late is retried, because each attempt is signed anew', async () => {
    const late = { now: () => Date.now() - 7_200_000 };
    const expected = { kind: 'retry', reason: 'clock' };
    expect(await deliver({}, createMessage(), late)).toMatchObject(expected);
  });

  test('a message without the keyword', async () => {
    const other = createMessage([createAlert({ labels: {}, annotations: {} })]);
    const detail = 'DingTalk: errcode 310000, keywords not in content';
    expect(await deliver({}, other)).toEqual({ kind: 'dead', reason: 'refused', detail });
  });
});

test.each([
  ['punished for 5 s', '{"status":1111,"punish":"deny","wait":5}', 5],
  ['punished', '{"status":1111,"punish":"deny"}', 600],
])('%s: no call for so long', async (_, body, afterSeconds) => {
  robot.answers.push({ status: 200, body });
  expect(await deliver()).toMatchObject({ reason: 'rate_limited', afterSeconds });
});
