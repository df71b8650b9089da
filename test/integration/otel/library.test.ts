/** `llamascope/otel` in a program of its own: in another folder, with node-llama-cpp, without our server. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { observeTokens } from '../../../otel/generation/observe-tokens.ts';
import { serveTelemetry } from '../../../otel/serve.ts';
import { checkWithPromtool, changesDuring, parseSamples } from '../../support/otel/scrape.ts';
import { inference, model, telemetry } from '../../support/otel/generation.ts';
import { readSpans } from '../../support/otel/trace.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const demo = join(root, 'src/models/llamascope-demo.gguf');
const example = join(root, 'otel/example/completion.ts');

describe('the example', () => {
  let folder: string;
  let program: ChildProcess;
  let printed = '';
  const line = (pattern: RegExp): string => pattern.exec(printed)?.[0] ?? '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'stranger-'));
    // The links that `npm install ../llamascope` would create.
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules/llamascope'));
    symlinkSync(
      join(root, 'node_modules/node-llama-cpp'),
      join(folder, 'node_modules/node-llama-cpp'),
    );
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    copyFileSync(example, join(folder, 'program.ts'));
    // The demo model begins its answer with a newline.
    program = spawn(process.execPath, ['program.ts', demo, '\n', '0'], { cwd: folder });
    program.stdout?.on('data', (chunk) => (printed += chunk));
    program.stderr?.on('data', (chunk) => (printed += chunk));
    await vi.waitUntil(() => printed.includes('/api/traces/') || program.exitCode !== null, 30_000);
  });

  afterAll(() => {
    program.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  test('is under 40 lines', () => {
    expect(readFileSync(example, 'utf8').trim().split('\n').length).toBeLessThan(40);
  });

  test('answers, and serves all metrics of the answer', async () => {
    expect(printed).toContain('llamascope');
    const text = await (await fetch(line(/^http.*metrics$/m))).text();
    const samples = parseSamples(text);
    const tokens = samples.get('inference_tokens_total{type="output"}') ?? 0;
    expect(tokens).toBeGreaterThan(10);
    expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(tokens - 1);
    expect(samples.get('inference_requests_total{outcome="completed",reason="stop"}')).toBe(1);
    expect(text).toMatch(/^inference_model_info\{architecture="qwen2",.*\} 1$/m);
    expect(text).toMatch(/^process_memory_usage_bytes\{process_role="engine"\} \d+$/m);
    expect(checkWithPromtool(text)).toBe('');
  });

  test('has the trace of the answer', async () => {
    const response = await fetch(line(/^http.*traces.*$/m));
    const spans = readSpans((await response.json()) as Parameters<typeof readSpans>[0]);
    expect(spans.map(({ name }) => name)).toEqual(['prefill', 'decode', 'chat example']);
    expect(spans.at(-1)?.attributes).toMatchObject({
      'inference.outcome': 'completed',
      'inference.reason': 'stop',
    });
  });

  test('ends at SIGTERM', async () => {
    const exited = once(program, 'exit');
    program.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

describe('observed tokens', () => {
  async function* count(to: number): AsyncGenerator<number, void, void> {
    for (let index = 0; index < to; index += 1) yield index;
    if (to > 5) throw new Error('the model broke');
  }
  const requests = async (read: () => Promise<void>): Promise<Record<string, number>> =>
    changesDuring(telemetry, read, /^inference_(requests|tokens|sequences)/);
  const facts = { model, inputTokens: 3, cachedTokens: 1 };
  const tokens = (output: number): Record<string, number> => ({
    'inference_tokens_total{type="input"}': 2,
    'inference_tokens_total{type="cached_input"}': 1,
    'inference_tokens_total{type="output"}': output,
  });

  test('are completed when the stream ends, and when it reaches maxTokens', async () => {
    const ended = await requests(async () => {
      expect(await collect(observeTokens(inference, facts, count(2)))).toEqual([0, 1]);
    });
    expect(ended).toEqual({
      'inference_requests_total{outcome="completed",reason="stop"}': 1,
      ...tokens(2),
    });
    const full = await requests(async () => {
      const few = observeTokens(inference, { ...facts, maxTokens: 2 }, count(9));
      expect(await collect(few)).toEqual([0, 1]);
    });
    expect(full).toEqual({
      'inference_requests_total{outcome="completed",reason="length"}': 1,
      ...tokens(2),
    });
  });

  test('are cancelled when their consumer stops', async () => {
    const left = await requests(async () => {
      for await (const token of observeTokens(inference, facts, count(9))) if (token === 1) break;
    });
    expect(left).toEqual({
      'inference_requests_total{outcome="cancelled",reason="client_gone"}': 1,
      ...tokens(2),
    });
  });

  test('have failed when the stream throws, and rethrow the error', async () => {
    const broke = await requests(async () => {
      await expect(collect(observeTokens(inference, facts, count(9)))).rejects.toThrow('broke');
    });
    expect(broke).toEqual({
      'inference_requests_total{outcome="failed",reason="engine_error"}': 1,
      ...tokens(9),
    });
  });
});

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('the server answers its routes, lists them in a 404, and rejects a port in use', async () => {
  const server = await serveTelemetry(telemetry, { port: 0 });
  const get = async (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`);
  expect((await get('/metrics')).headers.get('content-type')).toContain('version=0.0.4');
  expect(await (await get('/api/traces?limit=1')).json()).toMatchObject({ traces: [{ spans: 3 }] });
  expect((await get('/api/traces?limit=x')).status).toBe(400);
  expect((await get('/api/traces/0')).status).toBe(404);
  expect(await (await get('/')).text()).toContain('/metrics');
  await expect(serveTelemetry(telemetry, { port: server.port })).rejects.toThrow('EADDRINUSE');
  server.close();
});
