/** The whole stack of `make up`: queries, a chat service that dies, and an alert from a failing engine to DingTalk. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signal } from '../../../stack/native/supervisor/processes.ts';
import { until } from '../../support/until.ts';
import {
  startDingTalkRobot,
  type DingTalkRobot,
} from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { alertmanagerOf } from '../../support/stack/traffic.ts';
import { createStack, type Stack } from '../../support/stack/stack.ts';

function chat(stack: Stack): Promise<Response> {
  return fetch(`${stack.chatUrl}/chat`, { method: 'POST', body: '{"prompt":"hi"}' });
}

/** The trace as JSON, or the error. */
async function traceOf(stack: Stack, id: string): Promise<string> {
  return (await fetch(`${stack.chatUrl}/api/traces/${id}`)).text();
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Shortens the waits of Alertmanager, as the rules run 40 times as fast. */
async function speedUpAlertmanager(stack: Stack): Promise<void> {
  const file = path.join(stack.env['LLAMASCOPE_RUN_DIR']!, 'alertmanager/alertmanager.yml');
  const faster = readFileSync(file, 'utf8')
    .replace('group_wait: 10s', 'group_wait: 1s')
    .replace('group_interval: 1m', 'group_interval: 3s');
  writeFileSync(file, faster);
  const { status } = await fetch(`${alertmanagerOf(stack)}/-/reload`, { method: 'POST' });
  expect(status).toBe(200);
}

describe('the whole stack', () => {
  let stack: Stack;
  let robot: DingTalkRobot;
  /** Of a chat before anything is killed. */
  let traceId: string;
  beforeAll(async () => {
    robot = await startDingTalkRobot('SECtest');
    const rules = mkdtempSync(path.join(tmpdir(), 'llamascope-rules-'));
    execFileSync(process.execPath, ['alerting/rules.ts', '--time-scale', '40', '--out', rules]);
    stack = await createStack({
      LLAMASCOPE_RULES_DIR: rules,
      DINGTALK_URL: robot.url,
      DINGTALK_SECRET: 'SECtest',
    });
    await stack.command('up');
    await speedUpAlertmanager(stack);
  }, 180_000);
  afterAll(async () => {
    await stack.dispose();
    await robot.close();
  }, 90_000);

  test('has numbers for the four queries of the articles after a few chats', async () => {
    await until(async () => (await stack.query('up{job="qwen-instruct"}'))[0] === 1);
    for (let n = 0; n < 5; n++) {
      const answer = await chat(stack);
      await answer.text();
      traceId = answer.headers.get('traceparent')?.split('-')[1] ?? '';
    }
    // An answered question for a trace means that it is in the file.
    await until(async () => (await traceOf(stack, traceId)).includes('decode'));
    const queries = [
      'sum(rate(http_requests_total{job="qwen-instruct"}[5m])) by (status_code)',
      'histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{job="qwen-instruct"}[5m])) by (le))',
      'rate(model_inference_duration_seconds_sum[5m]) / rate(model_inference_duration_seconds_count[5m])',
      'process_resident_memory_bytes{job="qwen-instruct"}',
    ];
    for (const query of queries) {
      await until(async () => {
        const values = await stack.query(query);
        return (
          values.length > 0 && values.every(Number.isFinite) && values.some((value) => value > 0)
        );
      });
    }
  });

  test('shows in `up` a chat service that keeps dying, and its return', async () => {
    const up = async () => (await stack.query('up{job="qwen-instruct"}'))[0];
    await until(async () => (await up()) === 1);
    // After a single kill, the process may be running again before the next scrape.
    await until(async () => {
      const pid = stack.pid('chat');
      if (pid !== 0) signal(pid, 'SIGKILL');
      return (await up()) === 0;
    });
    await until(async () => (await up()) === 1, 60);
  }, 90_000);

  test('has the traces of before the kills', async () => {
    expect(await traceOf(stack, traceId)).toContain('decode');
  });

  test('notifies DingTalk, signed, when requests fail and when they succeed again', async () => {
    const wasNotified = (part: string) => robot.received.some(({ text }) => text.includes(part));
    await until(
      async () => (await fetch(`${stack.chatUrl}/readyz`).catch(() => undefined))?.ok === true,
      60,
    );
    // The engine exits again and again, so the service runs and answers 503.
    const breaker = setInterval(() => {
      const chatPid = stack.pid('chat');
      if (chatPid === 0) return;
      for (const pid of childrenOf(chatPid)) signal(pid, 'SIGKILL');
    }, 500);
    const visitor = setInterval(
      () =>
        void chat(stack).then(
          (response) => response.text(),
          () => {},
        ),
      300,
    );
    try {
      await until(() => wasNotified('HighErrorRate'), 90);
    } finally {
      clearInterval(breaker);
      clearInterval(visitor);
    }
    const { text } = robot.received.find((message) => message.text.includes('HighErrorRate'))!;
    expect(text).toContain('请求失败率过高');
    expect(text).toContain('/runbooks/HighErrorRate');
    await until(() => wasNotified('【已恢复】请求失败率过高（HighErrorRate）'), 150);
  }, 300_000);
});
