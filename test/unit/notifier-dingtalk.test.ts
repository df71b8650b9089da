import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDingTalk, signDingTalk } from '../../alerting/notifier/channels/dingtalk.ts';
import type { Delivery } from '../../alerting/notifier/delivery.ts';
import { renderMessage } from '../../alerting/notifier/message.ts';
import { createAlert, createWebhook } from '../support/alertmanager-webhook.ts';
import { robotToken, startDingTalkRobot } from '../support/dingtalk.ts';
import type { DingTalkRobot, RobotAnswer } from '../support/dingtalk.ts';

const secret = 'SECtest';
const never = new AbortController().signal;
const english = { locale: 'en', timeZone: 'UTC' } as const;
const message = renderMessage(createWebhook([createAlert()]), english);

let robot: DingTalkRobot;
beforeEach(async () => {
  robot = await startDingTalkRobot(secret, { keyword: 'HighErrorRate' });
});
afterEach(() => robot.close());

async function deliver(options: object = {}): Promise<Delivery> {
  const channel = createDingTalk({ url: new URL(robot.url), secret, ...options });
  const delivery = await channel.deliver(message, never);
  expect(JSON.stringify(delivery)).not.toMatch(new RegExp(`${secret}|${robotToken}|sign=`));
  return delivery;
}

test('signs as the vendor does', () => {
  expect(encodeURIComponent(signDingTalk(1_700_000_000_000, secret))).toBe(
    'aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D',
  );
});

test('delivers a signed markdown message with its title', async () => {
  expect(await deliver()).toEqual({ kind: 'delivered' });
  expect(robot.received).toMatchObject([{ title: '🔥 Firing: HighErrorRate' }]);
  expect(robot.received[0]?.text).toContain('Requests are failing');
});

test('a message of 500 alerts fits the vendor’s 20,000 bytes', async () => {
  const alerts = Array.from({ length: 500 }, () => createAlert());
  const long = renderMessage(createWebhook(alerts), { ...english, locale: 'zh-CN' });
  const channel = createDingTalk({ url: new URL(robot.url), secret });
  expect(await channel.deliver(long, never)).toEqual({ kind: 'delivered' });
});

describe('what the robot refuses is dead, with its reason', () => {
  test.each([
    ['another secret', { secret: 'SECother' }, /310000, sign not match/],
    ['no secret', { secret: undefined }, /310000, sign not match/],
    ['a clock two hours late', { now: () => Date.now() - 7_200_000 }, /310000, sign not match/],
  ])('%s', async (_, options, detail) => {
    const expected = { kind: 'dead', reason: 'refused', detail: expect.stringMatching(detail) };
    expect(await deliver(options)).toEqual(expected);
  });

  test('a message without the keyword', async () => {
    const other = renderMessage(
      createWebhook([createAlert({ labels: {}, annotations: {} })]),
      english,
    );
    const channel = createDingTalk({ url: new URL(robot.url), secret });
    const detail = 'DingTalk: errcode 310000, keywords not in content';
    expect(await channel.deliver(other, never)).toEqual({
      kind: 'dead',
      reason: 'refused',
      detail,
    });
  });
});

const html = '<html>Bad Gateway</html>';
const ok = '{"errcode":0,"errmsg":"ok"}';

test.each<[string, RobotAnswer, Partial<Delivery> & { afterSeconds?: number }]>([
  ['errcode 0', { status: 200, body: ok }, { kind: 'delivered' }],
  ...[130101, 410100].map((code): [string, RobotAnswer, object] => [
    `errcode ${code}, too fast`,
    { status: 200, body: `{"errcode":${code},"errmsg":"send too fast"}` },
    { kind: 'retry', reason: 'rate_limited', afterSeconds: 600 },
  ]),
  [
    'a punishment with its wait',
    { status: 200, body: '{"status":1111,"punish":"deny","wait":5}' },
    { kind: 'retry', reason: 'rate_limited', afterSeconds: 5 },
  ],
  [
    'a punishment without',
    { status: 200, body: '{"status":1111,"punish":"deny"}' },
    { kind: 'retry', reason: 'rate_limited', afterSeconds: 600 },
  ],
  [
    'errcode -1, system busy',
    { status: 200, body: '{"errcode":-1,"errmsg":"系统繁忙"}' },
    { kind: 'retry', reason: 'server_error' },
  ],
  ...[400101, 400102, 400106, 400013, 430101, 430104, 40035].map(
    (code): [string, RobotAnswer, object] => [
      `errcode ${code}`,
      { status: 200, body: `{"errcode":${code},"errmsg":"no"}` },
      { kind: 'dead', reason: 'refused' },
    ],
  ),
  [
    'an errcode nobody has told us of',
    { status: 200, body: '{"errcode":999999,"errmsg":"new"}' },
    { kind: 'retry', reason: 'server_error' },
  ],
  [
    'a page of a proxy',
    { status: 200, body: html },
    { kind: 'retry', reason: 'unexpected_answer' },
  ],
  ['no errcode', { status: 200, body: '{}' }, { kind: 'retry', reason: 'unexpected_answer' }],
  ['JSON that is a list', { status: 200, body: '[0]' }, { reason: 'unexpected_answer' }],
  [
    'a redirect, which is not followed',
    { status: 302, body: ok, headers: { location: 'http://127.0.0.1:9/' } },
    { kind: 'retry', reason: 'unexpected_answer' },
  ],
  ['403 of a proxy', { status: 403, body: html }, { kind: 'dead', reason: 'refused' }],
  ['404', { status: 404, body: html }, { kind: 'dead', reason: 'refused' }],
  ['408', { status: 408, body: html }, { kind: 'retry', reason: 'server_error' }],
  [
    '429 with Retry-After',
    { status: 429, body: html, headers: { 'retry-after': '7' } },
    { kind: 'retry', reason: 'rate_limited', afterSeconds: 7 },
  ],
  ['502 in HTML', { status: 502, body: html }, { kind: 'retry', reason: 'server_error' }],
  ['a reset', 'reset', { kind: 'retry', reason: 'network', detail: 'ECONNRESET' }],
])('%s is judged right', async (_, answer, expected) => {
  robot.answers.push(answer);
  expect(await deliver()).toMatchObject(expected);
});

test('a robot that hangs is given up after the timeout', async () => {
  robot.answers.push('hang');
  expect(await deliver({ timeoutSeconds: 0.2 })).toMatchObject({
    kind: 'retry',
    reason: 'timeout',
  });
});

test('a robot that is not there is a retry that names neither token nor secret', async () => {
  const url = new URL(`http://127.0.0.1:9/robot/send?access_token=${robotToken}`);
  expect(await deliver({ url })).toMatchObject({ kind: 'retry', reason: 'network' });
});

test('an answer that repeats the token and the secret is redacted', async () => {
  const body = JSON.stringify({ errcode: 400101, errmsg: `${robotToken} ${secret} ${robot.url}` });
  robot.answers.push({ status: 200, body });
  expect(await deliver()).toMatchObject({ detail: 'DingTalk: errcode 400101, *** *** ***' });
});
