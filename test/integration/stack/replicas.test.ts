/** Three chat services, one Prometheus, and nginx in front: targets, panels over several instances, restarts, conversations. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseDocument } from 'yaml';
import type { PanelQuery } from '../../../otel/panels/panel.ts';
import { service } from '../../../otel/panels/service.ts';
import { readReadiness } from '../../../stack/model.ts';
import { findOwnProcesses, signal } from '../../../stack/native/supervisor/processes.ts';
import { readState } from '../../../stack/native/supervisor/state.ts';
import { startServer } from '../../support/alerting/alertmanager-node.ts';
import { freePort } from '../../support/free-ports.ts';
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
import { createSandbox, root, type Sandbox } from '../../support/stack/sandbox.ts';

const replicas = 3;
const completed = 'sum(inference_requests_total{outcome="completed"})';
let sandbox: Sandbox;
/** host:port of each chat service. */
let instances: string[];
let panels: Replicas;
/** The address of nginx. */
let front: string;

beforeAll(async () => {
  const port = String(await freePort());
  front = `http://127.0.0.1:${port}`;
  sandbox = await createSandbox({
    REPLICAS: String(replicas),
    NGINX_PORT: port,
    // So that one replica can keep all conversations of the test.
    CHAT_SEQUENCES: '16',
  });
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
    time = await settledTime(15);
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

test('the Prometheus of a fleet stores less than two thirds of the series of a replica', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fleet-'));
  const fleet = parseDocument(readFileSync(path.join(root, 'stack/fleet/prometheus.yml'), 'utf8'));
  for (const field of ['rule_files', 'alerting', 'remote_write']) fleet.delete(field);
  fleet.setIn(['global', 'scrape_interval'], '1s');
  fleet.deleteIn(['scrape_configs', 0, 'file_sd_configs']);
  fleet.setIn(['scrape_configs', 0, 'static_configs'], [{ targets: [instances[0]] }]);
  writeFileSync(path.join(folder, 'prometheus.yml'), String(fleet));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await startServer(
    'prometheus',
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${url.replace('http://', '')}`,
    ],
    url,
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const ask = async (query: string): Promise<number> => {
    const answer = await (await fetch(`${url}/api/v1/query?query=${query}`)).json();
    const { data } = answer as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  await until(async () => (await ask('scrape_samples_post_metric_relabeling')) > 0);
  const scraped = await ask('scrape_samples_scraped');
  expect(scraped).toBeGreaterThan(1000);
  expect((await ask('scrape_samples_post_metric_relabeling')) / scraped).toBeLessThan(0.67);
});

describe('through nginx', () => {
  test('second turns of the openai package start from the cache of the first, by x-conversation-id', async () => {
    const conversations = Array.from({ length: 16 }, (_, n) => ({
      client: new OpenAI({
        baseURL: `${front}/v1`,
        apiKey: 'sk-none',
        defaultHeaders: { 'x-conversation-id': `conversation-${n}` },
      }),
      messages: [
        { role: 'user', content: `Question ${n} `.repeat(30) },
      ] as OpenAI.ChatCompletionMessageParam[],
      usage: [] as OpenAI.CompletionUsage[],
    }));
    for (let turn = 0; turn < 2; turn += 1) {
      for (const { client, messages, usage } of conversations) {
        const answer = await client.chat.completions.create({
          model: 'demo',
          messages,
          max_tokens: 4,
        });
        usage.push(answer.usage!);
        messages.push(answer.choices[0]!.message, { role: 'user', content: 'And then?' });
      }
    }
    const hits = conversations.filter(({ usage: [first, second] }) => {
      const cached = second?.prompt_tokens_details?.cached_tokens ?? 0;
      return cached >= (first?.prompt_tokens ?? Number.NaN);
    });
    expect(hits.length / conversations.length).toBeGreaterThanOrEqual(0.95);
  });

  test('the death of a replica loses no chat that had no byte yet', async () => {
    const second = () => readState(sandbox.runDir)!.children.find(({ name }) => name === 'chat-2')!;
    const asked = Array.from({ length: 60 }, async (_, n) => {
      const response = await fetch(`${front}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ messages: [{ role: 'user', content: `Question ${n}` }] }),
      });
      const { choices } = (await response.json()) as { choices?: { finish_reason: string }[] };
      return `${response.status} ${choices?.[0]?.finish_reason}`;
    });
    // Each replica answers 16 at a time, so most of the others are still without a byte.
    await Promise.race(asked);
    signal(second().pid!, 'SIGKILL');
    expect(await Promise.all(asked)).toEqual(Array.from(asked, () => '200 stop'));
    await until(() => second().restarts > 0 && second().health === 'healthy');
  });
});

test('a killed replica restarts and the others keep running', { timeout: 60_000 }, async () => {
  const children = () =>
    (readState(sandbox.runDir)?.children ?? []).filter(({ name }) => name !== 'nginx');
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
