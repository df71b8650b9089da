/** Three chat services behind one Prometheus: who is found, and what panels make of several instances. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dashboards, withoutVariables } from '../../stack/panels.ts';
import type { PanelQuery } from '../../stack/panels/panel.ts';
import { hostCpu } from '../../stack/panels/service.ts';
import { findOwnProcesses, signal } from '../../stack/native/processes.ts';
import { readState } from '../../stack/native/state.ts';
import { until } from '../support/chat-service.ts';
import { createSandbox, type Sandbox } from '../support/stack-sandbox.ts';

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

const replicas = 3;
const completed = 'sum(inference_requests_total{outcome="completed"})';
let sandbox: Sandbox;
/** host:port of each. */
let instances: string[];

beforeAll(async () => {
  sandbox = await createSandbox({ REPLICAS: String(replicas) });
  const first = Number(sandbox.env['CHAT_PORT']);
  instances = Array.from({ length: replicas }, (_, at) => `127.0.0.1:${first + at}`);
  const { code, text } = await sandbox.run('up');
  if (code !== 0) throw new Error(text);
}, 180_000);

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
});

async function query(expr: string, time?: number): Promise<Sample[]> {
  const body = new URLSearchParams({ query: expr, ...(time && { time: String(time) }) });
  const url = `http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}/api/v1/query`;
  const { data } = (await (await fetch(url, { method: 'POST', body })).json()) as {
    data: { result: Sample[] };
  };
  return data.result;
}

/** A panel's query as the dashboard asks it with some instances chosen; its labels as JSON → value. */
async function ask(expr: string, chosen: string[], time: number): Promise<Map<string, number>> {
  const pattern = chosen.map((instance) => instance.replaceAll('.', String.raw`\\.`)).join('|');
  const asked = expr.replaceAll('$instance', pattern).replaceAll('$model', '.*');
  const samples = await query(asked, time);
  return new Map(samples.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]));
}

const asked = dashboards
  .filter(({ id }) => id === 'qwen-monitor' || id === 'inference')
  .flatMap(({ rows }) => rows.flatMap(({ panels }) => panels))
  .flatMap(({ id, queries }) => queries.map(({ expr, legend }) => ({ id, expr, legend })))
  .filter(({ expr }) => expr.includes('$instance'));
/** Without an aggregation each instance has a line of its own. */
const perInstance = asked.filter(({ expr }) => /^(rate\(|\w+\{)/.test(expr));
const summed = asked.filter(({ expr }) => /^sum\b/.test(expr) && !expr.includes(' / '));
const between = asked.filter((query) => !perInstance.includes(query) && !summed.includes(query));

test('all of them run on ports that follow one another, and are scraped', async () => {
  const { text } = await sandbox.run('status');
  for (const name of ['chat', 'chat-2', 'chat-3']) {
    expect(text).toMatch(new RegExp(`${name} +healthy `));
  }
  await vi.waitFor(
    async () => {
      const up = await query('up{job="qwen-instruct"} == 1');
      expect(up.map(({ metric }) => metric['instance']).toSorted()).toEqual(instances);
    },
    { timeout: 20_000 },
  );
});

describe('after one, two and three requests to them', () => {
  let time: number;
  beforeAll(async () => {
    for (const [at, instance] of instances.entries()) {
      for (let n = 0; n <= at; n++) {
        const url = `http://${instance}/chat`;
        await (await fetch(url, { method: 'POST', body: '{"prompt":"hi"}' })).text();
      }
    }
    const answered = 'rate(inference_requests_total{outcome="completed", reason="stop"}[5m]) > 0';
    await until(async () => (await query(answered)).length === replicas);
    time = Date.now() / 1000;
  });

  test.each(perInstance)('$id draws each: $expr', async ({ expr }) => {
    const found = await query(withoutVariables(expr), time);
    const drawn = new Set(found.map(({ metric }) => metric['instance']));
    expect([...drawn].toSorted()).toEqual(instances);
  });

  test.each(summed)('$id is their sum: $expr', async ({ expr }) => {
    const together = await ask(expr, instances, time);
    const single = await Promise.all(instances.map((instance) => ask(expr, [instance], time)));
    expect(together.size).toBeGreaterThan(0);
    for (const [labels, value] of together) {
      expect(value).toBeCloseTo(sumOf(single.map((values) => values.get(labels) ?? 0)), 6);
    }
  });

  test.each(between)('$id is between theirs: $expr', async ({ expr }) => {
    const together = await ask(expr, instances, time);
    const single = await Promise.all(instances.map((instance) => ask(expr, [instance], time)));
    for (const [labels, value] of together) {
      const parts = single.flatMap((values) => values.get(labels) ?? []).filter(Number.isFinite);
      expect(value).toBeGreaterThanOrEqual(Math.min(...parts) * (1 - 1e-9));
      expect(value).toBeLessThanOrEqual(Math.max(...parts) * (1 + 1e-9));
    }
  });
});

test('the requests of all are counted once', async () => {
  const count = async (): Promise<number> =>
    sumOf((await query(completed)).map(({ value }) => Number(value[1])));
  // The last of them may not have been scraped yet.
  await until(async () => (await count()) >= 1 + 2 + 3);
  expect(await count()).toBe(1 + 2 + 3);
});

test('the machine is counted once, though each of them tells of it', async () => {
  const [{ expr }] = hostCpu.queries as [PanelQuery];
  const time = Date.now() / 1000;
  const coresOf = async (chosen: string[]): Promise<number> =>
    sumOf([...(await ask(expr, chosen, time)).values()]);
  const single = await Promise.all(instances.map((instance) => coresOf([instance])));
  const together = await coresOf(instances);
  expect(together).toBeGreaterThanOrEqual(Math.min(...single) * (1 - 1e-9));
  expect(together).toBeLessThanOrEqual(Math.max(...single) * (1 + 1e-9));
});

test(
  'one that is killed comes back, and the others are left alone',
  { timeout: 60_000 },
  async () => {
    const pids = (): (number | undefined)[] =>
      (readState(sandbox.runDir)?.children ?? []).map(({ pid }) => pid);
    const before = pids();
    signal(before.at(-1)!, 'SIGKILL');
    await vi.waitFor(
      async () =>
        expect((await sandbox.run('status')).text).toMatch(/chat-3 +healthy .* 1 +SIGKILL/),
      { timeout: 40_000 },
    );
    expect(pids().slice(0, -1)).toEqual(before.slice(0, -1));
  },
);

test('down stops all of them', { timeout: 60_000 }, async () => {
  expect((await sandbox.run('down')).text).toContain('nothing is left running');
  expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
});

function sumOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
