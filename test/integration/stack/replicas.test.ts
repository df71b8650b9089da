/** Three chat services and one Prometheus: targets, panels over several instances, and restarts. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PanelQuery } from '../../../otel/panels/panel.ts';
import { service } from '../../../otel/panels/service.ts';
import { readReadiness } from '../../../stack/model.ts';
import { findOwnProcesses, signal } from '../../../stack/native/supervisor/processes.ts';
import { readState } from '../../../stack/native/supervisor/state.ts';
import { until } from '../../support/until.ts';
import {
  between,
  createReplicas,
  perInstance,
  settledTime,
  summed,
  sumOf,
  type Replicas,
} from '../../support/stack/panels.ts';
import { createSandbox, type Sandbox } from '../../support/stack/sandbox.ts';

const replicas = 3;
const completed = 'sum(inference_requests_total{outcome="completed"})';
let sandbox: Sandbox;
/** host:port of each chat service. */
let instances: string[];
let panels: Replicas;

beforeAll(async () => {
  sandbox = await createSandbox({ REPLICAS: String(replicas) });
  const first = Number(sandbox.env['CHAT_PORT']);
  instances = Array.from({ length: replicas }, (_, at) => `127.0.0.1:${first + at}`);
  panels = createReplicas(`http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}`, instances);
  const { code, text } = await sandbox.run('up');
  if (code !== 0) throw new Error(text);
}, 180_000);

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

test('all run on consecutive ports and are scraped', async () => {
  const { text } = await sandbox.run('status');
  for (const name of ['chat', 'chat-2', 'chat-3']) {
    expect(text).toMatch(new RegExp(`${name} +healthy `));
  }
  await vi.waitFor(
    async () => {
      const up = await panels.query('up{job="qwen-instruct"} == 1');
      expect(up.map(({ metric }) => metric['instance']).toSorted()).toEqual(instances);
    },
    { timeout: 20_000 },
  );
});

describe('after one, two and three requests', () => {
  let time: number;
  beforeAll(async () => {
    for (const [at, instance] of instances.entries()) {
      for (let n = 0; n <= at; n++) {
        const url = `http://${instance}/chat`;
        await (await fetch(url, { method: 'POST', body: '{"prompt":"hi"}' })).text();
      }
    }
    const answered = 'rate(inference_requests_total{outcome="completed", reason="stop"}[5m]) > 0';
    await until(async () => (await panels.query(answered)).length === replicas);
    time = await settledTime();
  });

  test.each(perInstance)('$id has one line for each instance: $expr', async ({ expr }) => {
    expect(await panels.drawn(expr, time)).toEqual(instances);
  });

  test.each(summed)('$id is the sum over the instances: $expr', async (asked) => {
    expect(await panels.complain('summed', asked, time)).toEqual([]);
  });

  test.each(between)('$id is between the values of the instances: $expr', async (asked) => {
    expect(await panels.complain('between', asked, time)).toEqual([]);
  });
});

test('every request is counted once', async () => {
  const count = async (): Promise<number> =>
    sumOf((await panels.query(completed)).map(({ value }) => Number(value[1])));
  // The last request may not have been scraped yet.
  await until(async () => (await count()) >= 1 + 2 + 3);
  expect(await count()).toBe(1 + 2 + 3);
});

test('the machine is counted once, although every instance reports it', async () => {
  const [{ expr }] = service.hostCpu.queries as [PanelQuery];
  const time = await settledTime();
  const coresOf = async (chosen: string[]): Promise<number> =>
    sumOf([...(await panels.ask(expr, chosen, time)).values()]);
  const single = await Promise.all(instances.map((instance) => coresOf([instance])));
  const together = await coresOf(instances);
  expect(together).toBeGreaterThanOrEqual(Math.min(...single) * (1 - 1e-9));
  expect(together).toBeLessThanOrEqual(Math.max(...single) * (1 + 1e-9));
});

test('a killed replica restarts and the others keep running', { timeout: 60_000 }, async () => {
  const children = () => readState(sandbox.runDir)?.children ?? [];
  const pids = () => children().map(({ pid }) => pid);
  const before = pids();
  signal(before.at(-1)!, 'SIGKILL');
  await until(() => children().at(-1)?.restarts === 1);
  // `status` shows a service as healthy when its model is loaded too.
  await until(async () => (await readReadiness(`http://${instances.at(-1)}`))?.status === 'ready');
  await until(() => children().at(-1)?.health === 'healthy');
  expect((await sandbox.run('status')).text).toMatch(/chat-3 +healthy .* 1 +SIGKILL/);
  expect(pids().slice(0, -1)).toEqual(before.slice(0, -1));
});

test('down stops all replicas', { timeout: 60_000 }, async () => {
  expect((await sandbox.run('down')).text).toContain('nothing is left running');
  expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
});
