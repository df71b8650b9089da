/** `make notify-test`: one test message, and the channel's answer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startDingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import type { DingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';

let robot: DingTalkRobot;
beforeEach(async () => {
  robot = await startDingTalkRobot('SECtest');
});
afterEach(() => robot.close());

async function run(channel: string, env: Record<string, string>): Promise<[number, string]> {
  const root = join(import.meta.dirname, '../../..');
  const child = spawn(process.execPath, ['alerting/notifier/notify-test.ts', channel], {
    cwd: root,
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = (await once(child, 'close')) as [number];
  return [code, output];
}

test('a robot that accepts the message: exit code 0, and its answer', async () => {
  const [code, output] = await run('dingtalk', {
    DINGTALK_URL: robot.url,
    DINGTALK_SECRET: 'SECtest',
  });
  expect(output).toMatch(/^dingtalk: delivered in \d+ ms\. DingTalk: errcode 0, ok\n$/);
  expect(code).toBe(0);
  expect(robot.received[0]?.text).toContain('测试消息：一切正常');
});

test('no CHANNEL: the only channel, which may be the inbox', async () => {
  const only = { DINGTALK_URL: robot.url, DINGTALK_SECRET: 'SECtest' };
  expect((await run('', only))[1]).toContain('dingtalk: delivered');
  const [code, output] = await run('', {});
  expect(output).toMatch(/^inbox: delivered in \d+ ms\. Stored in the inbox only/);
  expect(code).toBe(0);
});

test('a robot that refuses the message: exit code 1, and the reason without a secret', async () => {
  const [code, output] = await run('dingtalk', {
    DINGTALK_URL: robot.url,
    DINGTALK_SECRET: 'SECcanary',
  });
  expect(output).toMatch(
    /^dingtalk: not delivered \(refused, \d+ ms\)\. DingTalk: errcode 310000, sign not match\n$/,
  );
  expect(code).toBe(1);
});

test('an unknown channel or invalid settings: exit code 2, and the expected values', async () => {
  const two = { DINGTALK_URL: robot.url, WECOM_URL: robot.url };
  expect(await run('', two)).toEqual([
    2,
    'CHANNEL: expected one of dingtalk, wecom, got none. How to configure a channel: alerting/notifier/README.md\n',
  ]);
  expect((await run('feishu', two))[1]).toContain('got "feishu". How to configure');
  const [code, output] = await run('dingtalk', { DINGTALK_URL: 'canary' });
  expect(output).toContain('DINGTALK_URL: expected an http or https URL');
  expect(code).toBe(2);
});
