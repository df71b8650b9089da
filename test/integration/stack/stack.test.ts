/** The whole stack of `make up`: queries, restarts, and an alert from a failing engine to DingTalk. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
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

  test('stays unchanged on a second up', async () => {
    const pid = stack.pid('chat');
    expect(await stack.command('up')).toContain('The stack is already running');
    expect(stack.pid('chat')).toBe(pid);
  });

  test('shows in `up` a chat service that keeps dying, and its return', async () => {
    const up = async () => (await stack.query('up{job="qwen-instruct"}'))[0];
    await until(async () => (await up()) === 1);
    // After a single kill, the process may be running again before the next scrape.
    await until(async () => {
      const pid = stack.pid('chat');
      if (pid !== 0) process.kill(pid, 'SIGKILL');
      return (await up()) === 0;
    });
    await until(async () => (await up()) === 1, 60);
  }, 90_000);

  test.each(['chat', 'notifier', 'prometheus', 'alertmanager'])(
    'restarts %s when it is killed',
    async (service) => {
      // A signal to process 0 would reach the own process group.
      let pid = 0;
      await until(() => (pid = stack.pid(service)) !== 0);
      process.kill(pid, 'SIGKILL');
      await until(() => stack.pid(service) !== pid && stack.pid(service) !== 0);
      await until(() => stack.isHealthy(), 60);
      expect(await stack.command('status')).toContain('SIGKILL');
    },
    90_000,
  );

  test('has the traces of before the kills', async () => {
    const trace = await fetch(`${stack.chatUrl}/api/traces/${traceId}`);
    expect(trace.status).toBe(200);
    expect(await trace.text()).toContain('decode');
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
      for (const pid of childrenOf(chatPid)) process.kill(pid, 'SIGKILL');
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

  test('leaves nothing running after down', async () => {
    const pids = ['chat', 'notifier', 'prometheus', 'alertmanager'].map((name) => stack.pid(name));
    await stack.command('down');
    expect(pids.filter(isRunning)).toEqual([]);
    expect(await stack.command('status')).toContain('The stack is down');
  }, 90_000);
});

test('up names a port in use and the variable that changes it', async () => {
  const stack = await createStack({});
  const server = createServer();
  const port = Number(stack.env['PROMETHEUS_PORT']);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    await expect(stack.command('up')).rejects.toThrow(
      new RegExp(String.raw`Port ${port} \(prometheus\) is in use.*PROMETHEUS_PORT=`),
    );
  } finally {
    server.close();
  }
});

test('up lists every invalid setting', async () => {
  const stack = await createStack({ CHAT_PORT: 'eight', SCRAPE_INTERVAL: '15' });
  await expect(stack.command('up')).rejects.toThrow(
    /CHAT_PORT: expected an integer.*\n.*SCRAPE_INTERVAL: expected/,
  );
});
