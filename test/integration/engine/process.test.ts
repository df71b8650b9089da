import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Batch } from '../../../src/engine/engine.ts';
import { until } from '../../support/until.ts';
import {
  ask,
  createTestHost,
  generate,
  nextPid,
  startHost,
  writeEndlessModel,
} from '../../support/engine/host.ts';

const modelPath = writeEndlessModel();
const never = new AbortController().signal;
const canary = 'canary-1f0c';
const secrets = ['CHAT_API_KEYS', 'METRICS_TOKEN', 'HF_TOKEN', 'NODE_AUTH_TOKEN', 'LLAMA_API_KEY'];

afterAll(() => rmSync(path.dirname(modelPath), { recursive: true }));

describe('one engine', () => {
  let host: Awaited<ReturnType<typeof startHost>>;
  beforeAll(async () => {
    for (const name of secrets) vi.stubEnv(name, canary);
    host = createTestHost({ modelPath });
    vi.unstubAllEnvs();
    await until(() => host.status().state === 'ready');
  });
  afterAll(() => host.stop());

  test('the environment of the engine process has no key and no token', async () => {
    const environment = readFileSync(`/proc/${host.status().pid}/environ`, 'utf8').split('\0');
    expect(environment.filter((variable) => variable.includes(canary))).toEqual([]);
    expect(environment).toContain('UV_THREADPOOL_SIZE=1');
    expect(environment).toContain(`PATH=${process.env['PATH']}`);
  });

  test('a generation that is cancelled in any phase ends with the reason and frees its sequence', async () => {
    const decoding = generate(host, ask('one'));
    await until(() => decoding.tokens() > 3);
    const queued = generate(host, ask('two'));
    await until(() => queued.has('queued'));
    queued.abort(new Error('queued'));
    await queued.done;
    expect(queued.error).toMatchObject({ message: 'queued' });
    decoding.abort(new Error('decoding'));
    await decoding.done;
    expect(decoding.error).toMatchObject({ message: 'decoding' });
    const prefilling = generate(host, ask('word '.repeat(3500)));
    await until(() => prefilling.has('started'));
    prefilling.abort(new Error('prefilling'));
    await prefilling.done;
    expect(prefilling.error).toMatchObject({ message: 'prefilling' });
    expect(prefilling.has('prefilled')).toBe(false);
    const preparing = generate(host, ask('word '.repeat(3500)));
    preparing.abort(new Error('preparing'));
    await preparing.done;
    expect(preparing.error).toMatchObject({ message: 'preparing' });
    const last = generate(host, ask('three', 5));
    await last.done;
    expect(last.error).toBeUndefined();
    expect(last.tokens()).toBe(5);
    expect(host.pending()).toBe(0);
  });

  test('a request that does not fit is refused before it is queued', async () => {
    const running = generate(host, ask('one'));
    await until(() => running.tokens() > 0);
    const long = generate(host, ask('word '.repeat(9000)));
    await long.done;
    expect(long.error).toMatchObject({ code: 'context_overflow', param: 'prompt' });
    expect((long.error as Error).message).toMatch(
      /prompt is too long: it has \d+ tokens, .* fewer than 4096/,
    );
    expect(long.has('queued')).toBe(false);
    running.abort(new Error('enough'));
    await running.done;
  });

  test('clients take turns', async () => {
    const first = generate(host, ask('one'), 'hog');
    await until(() => first.has('started'));
    const hog = [2, 3, 4].map((index) => generate(host, ask(`hog ${index}`, 3), 'hog'));
    await until(() => hog.every((run) => run.has('queued')));
    const guest = generate(host, ask('guest', 3), 'guest');
    await until(() => guest.has('queued'));
    expect(guest.facts.find(({ type }) => type === 'queued')).toMatchObject({ position: 2 });
    const order: string[] = [];
    for (const [index, run] of hog.entries()) void run.done.then(() => order.push(`hog ${index}`));
    void guest.done.then(() => order.push('guest'));
    first.abort(new Error('enough'));
    await Promise.all([...hog, guest].map((run) => run.done));
    expect(order).toEqual(['hog 0', 'guest', 'hog 1', 'hog 2']);
  });

  test.each(['SIGKILL', 'SIGABRT'] as const)(
    'when the engine dies by %s, running requests get an error and waiting ones are answered after the restart',
    async (signal) => {
      const { restarts } = host.status();
      const running = generate(host, ask('one'));
      await until(() => running.tokens() > 3);
      const waiting = generate(host, ask('two', 3));
      await until(() => waiting.has('queued'));
      const tokens = host.tokenize(
        { kind: 'text', text: 'word '.repeat(20_000) },
        { signal: never },
      );
      tokens.catch(() => {});
      process.kill(host.status().pid!, signal);
      await running.done;
      expect(running.error).toMatchObject({ code: 'engine_exit' });
      expect((running.error as Error).message).toContain(signal);
      await expect(tokens).rejects.toMatchObject({ code: 'engine_exit' });
      const refused = generate(host, ask('three', 3));
      await refused.done;
      expect(refused.error).toMatchObject({
        code: 'not_ready',
        retryAfterSeconds: expect.any(Number),
      });
      await waiting.done;
      expect(waiting.error).toBeUndefined();
      expect(waiting.tokens()).toBe(3);
      expect(waiting.facts.filter(({ type }) => type === 'tokenized').length).toBe(1);
      expect(host.status()).toMatchObject({ state: 'ready', restarts: restarts + 1 });
    },
  );

  test('stopping ends all requests with an error and the process', async () => {
    const pid = host.status().pid!;
    const running = generate(host, ask('one'));
    await until(() => running.tokens() > 0);
    const waiting = generate(host, ask('two'));
    await until(() => waiting.has('queued'));
    await host.stop();
    await Promise.all([running.done, waiting.done]);
    expect([running.error, waiting.error]).toMatchObject([
      { code: 'shutdown' },
      { code: 'shutdown' },
    ]);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(host.status()).toMatchObject({ state: 'stopped' });
  });
});

describe('an engine with two sequences', () => {
  let host: Awaited<ReturnType<typeof startHost>>;
  const batches: Batch[] = [];
  beforeAll(async () => {
    const onBatch = (batch: Batch): void => void batches.push(batch);
    host = await startHost({ modelPath, sequences: 2, hangSeconds: 2, onBatch });
  });
  afterAll(() => host.stop());

  test('reports the batches of llama.cpp: prompts, then one token of each chat', async () => {
    const runs = [generate(host, ask('one two three', 40)), generate(host, ask('four', 40))];
    await Promise.all(runs.map((run) => run.done));
    const inputTokens = runs.flatMap((run) =>
      run.facts.map((fact) => (fact.type === 'prefilled' ? fact.inputTokens : 0)),
    );
    const evaluated = batches.reduce((sum, { tokens }) => sum + tokens, 0);
    // The last token of an answer is never evaluated.
    expect(evaluated).toBe(inputTokens.reduce((sum, count) => sum + count, 0) + 2 * 39);
    expect(batches.filter(({ sequences }) => sequences === 2).length).toBeGreaterThan(20);
    expect(batches.filter(({ tokens, sequences }) => tokens < sequences)).toEqual([]);
  });

  test('an engine that hangs is killed and restarted', async () => {
    const before = host.status().pid!;
    const running = generate(host, ask('one'));
    await until(() => running.tokens() > 3);
    process.kill(before, 'SIGSTOP');
    await running.done;
    expect(running.error).toMatchObject({ code: 'engine_exit' });
    expect(host.log.join('\n')).toContain('the engine process hangs and is killed');
    await nextPid(host, before);
    const next = generate(host, ask('two', 3));
    await next.done;
    expect(next.tokens()).toBe(3);
  });
});

test.each(['process.kill(process.pid, "SIGKILL")', 'process.exit(1)'])(
  'an engine process ends with its parent, which ends right after the fork: %s',
  async (end) => {
    const program = `
      import { writeSync } from 'node:fs';
      import { createTestHost } from './test/support/engine/host.ts';
      const host = createTestHost({ modelPath: process.env.MODEL_PATH });
      writeSync(1, String(host.status().pid));
      ${end};`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, MODEL_PATH: modelPath },
      encoding: 'utf8',
    });
    const pid = Number(stdout);
    expect(pid).toBeGreaterThan(0);
    await until(() => !existsSync(`/proc/${pid}`));
  },
);

test('a damaged file is reported with the line of llama.cpp, and served when it is replaced; three loads that are killed count as failed', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'half-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const half = path.join(folder, 'half.gguf');
  const whole = readFileSync(modelPath);
  writeFileSync(half, whole.subarray(0, whole.length / 2));
  const host = createTestHost({ modelPath: half });
  onTestFinished(() => host.stop());
  await until(() => host.status().state === 'failed', 30);
  expect(host.status()).toMatchObject({
    restarts: 1,
    reason: expect.stringMatching(/^llama_model_load: error loading model: .*incomplete$/),
  });
  const refused = generate(host, ask('one'));
  await refused.done;
  expect(refused.error).toMatchObject({
    code: 'not_ready',
    zh: expect.stringContaining('模型无法加载'),
  });
  expect((refused.error as Error).message).toMatch(/^The model cannot be loaded: llama_model_load/);
  expect(host.log.join('\n')).not.toContain(folder);
  writeFileSync(half, whole);
  await until(() => host.status().state === 'ready', 30);
  const served = generate(host, ask('two', 3));
  await served.done;
  expect(served.tokens()).toBe(3);
  let pid = await nextPid(host, undefined);
  process.kill(pid, 'SIGKILL');
  const { restarts } = host.status();
  for (const state of ['restarting', 'restarting', 'failed']) {
    await until(() => ![undefined, pid].includes(host.status().pid));
    pid = host.status().pid!;
    process.kill(pid, 'SIGKILL');
    await until(() => host.status().pid === undefined);
    expect(host.status().state).toBe(state);
  }
  expect(host.status()).toMatchObject({ restarts: restarts + 4, reason: 'SIGKILL' });
});
