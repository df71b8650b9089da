import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDingTalk, signDingTalk } from '../../alerting/notifier/channels/dingtalk.ts';
import { startDingTalkRobot, type DingTalkRobot } from '../support/dingtalk.ts';

const message = { title: 'HighLatency', text: '### HighLatency' };
let robot: DingTalkRobot;
beforeEach(async () => {
  robot = await startDingTalkRobot('SECtest');
});
afterEach(() => robot.close());

test('signs as the vendor does', () => {
  expect(encodeURIComponent(signDingTalk('SECtest', 1_700_000_000_000))).toBe(
    'aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D',
  );
});

test('delivers a signed markdown message', async () => {
  const channel = createDingTalk({ url: robot.url, secret: 'SECtest' });
  expect(await channel.deliver(message)).toEqual({ kind: 'delivered' });
  expect(robot.received).toEqual([message]);
});

test('takes a refused signature for dead, although the status is 200', async () => {
  const delivery = await createDingTalk({ url: robot.url, secret: 'other' }).deliver(message);
  expect(delivery).toEqual({ kind: 'dead', reason: 'errcode 310000: sign not match' });
});

test.each([
  ['too many messages', 200, '{"errcode":130101}', { kind: 'retry', afterSeconds: 600 }],
  ['system busy', 200, '{"errcode":-1}', { kind: 'retry', afterSeconds: 5 }],
  [
    'a punishment',
    200,
    '{"status":1111,"punish":"deny","wait":5}',
    { kind: 'retry', afterSeconds: 5 },
  ],
  ['a proxy page', 200, '<html>', { kind: 'retry', reason: 'http_200 without JSON' }],
  ['a bad gateway', 502, '<html>', { kind: 'retry', reason: 'http_502' }],
  ['an unknown token', 200, '{"errcode":400101,"errmsg":"no"}', { kind: 'dead' }],
])('classifies %s', async (_, status, body, expected) => {
  robot.answers.push({ status, body });
  const channel = createDingTalk({ url: robot.url, secret: 'SECtest' });
  expect(await channel.deliver(message)).toMatchObject(expected);
});

test('names neither token nor secret when nothing listens', async () => {
  const channel = createDingTalk({
    url: 'http://127.0.0.1:9/?access_token=canary',
    secret: 'SECx',
  });
  const delivery = await channel.deliver(message);
  expect(delivery.kind).toBe('retry');
  expect(JSON.stringify(delivery)).not.toMatch(/canary|SECx/);
});

test('cuts a long text by bytes, never inside a character', async () => {
  const channel = createDingTalk({ url: robot.url, secret: 'SECtest' });
  await channel.deliver({ title: 't', text: '告警'.repeat(20_000) });
  const { text } = robot.received[0]!;
  expect(Buffer.byteLength(text)).toBeLessThan(20_000);
  expect(text.endsWith('…')).toBe(true);
  expect(text).not.toContain('\uFFFD');
});
