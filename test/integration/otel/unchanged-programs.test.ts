/** Programs as node-llama-cpp's documentation writes them, observed by `node --import` of the register, without a changed line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { startCollector, type Collector } from '../../support/otel/collector.ts';
import { inherited } from '../../support/otel/program.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { readSpans, tree, type OtlpTrace, type TestSpan } from '../../support/otel/trace.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const register = join(root, 'otel/instrumentation/register.ts');
const report = join(root, 'test/support/otel/report.mjs');
let folder: string;

interface Run {
  code: number | null;
  /** What the program printed itself. */
  printed: string[];
  samples: Samples;
  stderr: string;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unchanged-'));
  cpSync(join(root, 'test/support/otel/programs'), folder, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(
    join(folder, 'package.json'),
    '{ "type": "module", "name": "fruits", "version": "1.2.3" }',
  );
  mkdirSync(join(folder, 'models'));
  const model = (name: string, say: string): unknown =>
    makeGguf({
      shape: 'tiny',
      quant: 'q8_0',
      say,
      loop: name === 'numbers',
      out: join(folder, `models/${name}.gguf`),
    });
  model('numbers', 'one two three four five');
  model(
    'fruit',
    '<tool_call>\n{"name": "getFruitPrice", "arguments": {"name": "apple"}}\n</tool_call>',
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

async function run(
  program: string,
  env: Record<string, string>,
  imports: readonly string[] = [register, report],
): Promise<Run> {
  const args = imports.flatMap((file) => ['--import', file]);
  const child = spawn(process.execPath, [...args, program], {
    cwd: folder,
    env: { ...inherited, NODE_LLAMA_CPP_GPU: 'false', OTEL_EXPORTER_PROMETHEUS_PORT: '0', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const at = stdout.indexOf('# HELP');
  const printed = at < 0 ? stdout : stdout.slice(0, at);
  const samples = parseSamples(at < 0 ? '' : stdout.slice(at));
  return { code, printed: printed.trim().split('\n'), samples, stderr };
}

/** Runs a program that sends its spans to a collector when it ends. */
async function observe(program: string): Promise<Run & { traces: TestSpan[][] }> {
  const collector: Collector = await startCollector('receiving');
  const result = await run(program, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  await collector.close();
  const spans = collector.bodies().flatMap((body) => readSpans(JSON.parse(body) as OtlpTrace));
  return {
    ...result,
    traces: Object.values(Object.groupBy(spans, ({ traceId }) => traceId)) as TestSpan[][],
  };
}

function usage(spans: readonly TestSpan[]): unknown[] {
  return spans
    .filter(({ name }) => /^(chat|text_completion) /.test(name))
    .map(({ attributes: a }) => [
      a['gen_ai.usage.input_tokens'],
      a['gen_ai.usage.cache_read.input_tokens'],
      a['gen_ai.usage.output_tokens'],
      String(a['gen_ai.response.finish_reasons']),
    ]);
}

const tokens = (type: string): string => `inference_tokens_total{type="${type}"}`;

test.concurrent('a chat with functions: one trace of two model calls and the function, tokens as the meter counts them', async () => {
  const { code, printed, samples, stderr, traces } = await observe('functions.js');
  expect([code, stderr, printed[0]]).toEqual([
    0,
    '',
    'User: Is an apple more expensive than a banana?',
  ]);
  expect(traces.map((spans) => tree(spans).toSorted())).toEqual([
    [
      'chat fruit < invoke_agent',
      'chat fruit < invoke_agent',
      'decode < chat fruit',
      'decode < chat fruit',
      'execute_tool getFruitPrice < invoke_agent',
      'invoke_agent < ',
      'prefill < chat fruit',
      'prefill < chat fruit',
    ],
  ]);
  // The token meter of the sequence: 339 and 45. It counts the last token of each of the five evaluations as output.
  expect(usage(traces[0]!)).toEqual([
    [271, 0, 29, 'tool_calls'],
    [342, 289, 16, 'length'],
  ]);
  expect(samples.get(tokens('input'))).toBe(339 + 5);
  expect(samples.get(tokens('output'))).toBe(45);
  const ended = [...samples].filter(
    ([name, value]) => name.startsWith('inference_requests') && value > 0,
  );
  expect(ended).toEqual([
    ['inference_requests_total{outcome="completed",reason="length"}', 1],
    ['inference_requests_total{outcome="completed",reason="tool_calls"}', 1],
  ]);
});

test.concurrent('a completion: one trace, first token and time per token', async () => {
  const { code, printed, samples, stderr, traces } = await observe('completion.js');
  expect([code, stderr]).toEqual([0, '']);
  expect(printed.join('')).toContain('one two three four fiveone');
  expect(traces.map((spans) => tree(spans).toSorted())).toEqual([
    [
      'decode < text_completion numbers',
      'prefill < text_completion numbers',
      'text_completion numbers < ',
    ],
  ]);
  expect(usage(traces[0]!)).toEqual([[15, 0, 100, 'length']]);
  expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(99);
  const labels = [...samples.keys()].find((name) =>
    /^gen_ai_server_time_to_first_token.*count/.test(name),
  );
  expect(labels).toContain('gen_ai_request_model="numbers"');
});

test.concurrent('four raw evaluations in shared batches: a trace each', async () => {
  const { code, printed, samples, stderr, traces } = await observe('batching.js');
  expect([code, stderr, printed.length]).toEqual([0, '', 4]);
  expect(traces.map((spans) => tree(spans).toSorted())).toEqual(
    Array.from({ length: 4 }, () => [
      'decode < text_completion numbers',
      'prefill < text_completion numbers',
      'text_completion numbers < ',
    ]),
  );
  expect(traces.flatMap(usage).toSorted()).toEqual([
    [1, 0, 10, 'length'],
    [2, 0, 10, 'length'],
    [3, 0, 10, 'length'],
    [5, 0, 10, 'length'],
  ]);
  expect(samples.get(tokens('input'))).toBe(11);
  expect(samples.get(tokens('output'))).toBe(40);
  expect(samples.get('inference_sequences_limit')).toBe(4);
  expect(samples.get('inference_sequences_active')).toBe(0);
});

test.concurrent('forks and worker threads are observed, and only the first process serves metrics', async () => {
  const { code, printed, stderr } = await run('family.js', { OTEL_LOG_LEVEL: 'info' }, [register]);
  const served = stderr.split('\n').filter((line) => line.includes('Metrics: http://'));
  expect([code, served.length]).toEqual([0, 1]);
  expect(printed.filter((line) => line.includes('observed')).toSorted()).toEqual([
    'first observed: true',
    'fork observed: true',
    'thread observed: true',
  ]);
});

test.concurrent('without the exception for the test of the binary, node-llama-cpp finds no binary', async () => {
  writeFileSync(join(folder, 'imports.js'), 'import "node-llama-cpp";');
  writeFileSync(
    join(folder, 'never.js'),
    'import { getLlama } from "node-llama-cpp"; await getLlama({ build: "never" });',
  );
  const plain = await run('never.js', {}, ['./imports.js']);
  expect(plain.stderr).toContain('NoBinaryFoundError');
});

test('a program that does not handle SIGTERM sends its spans, and ends at the first one', async () => {
  writeFileSync(
    join(folder, 'waits.js'),
    `import { getLlama } from 'node-llama-cpp';
    import { trace } from '@opentelemetry/api';
    await getLlama({ gpu: false, build: 'never' });
    trace.getTracer('own').startSpan('pending').end();
    setInterval(() => {}, 1000);
    process.kill(process.pid, 'SIGTERM');`,
  );
  const { traces, code } = await observe('waits.js');
  expect(code).toBeNull();
  expect(traces.flat().map(({ name }) => name)).toEqual(['pending']);
});
