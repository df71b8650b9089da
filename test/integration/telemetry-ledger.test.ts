/**
 * Closed accounting, held against a client's own books: mixed requests against the real service, and when it is quiet again every count
 * of `/metrics` is the client's. LEDGER_REQUESTS (2000) and LEDGER_SEED (1) make it longer and different.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GenerationSummary } from '../../otel/inference.ts';
import { makeGguf } from '../../src/models/demo/make-gguf.ts';
import { startChatService, until, type ChatService } from '../support/chat-service.ts';
import { parseSamples, type Samples } from '../support/otel-scrape.ts';
import { closeConnections, place, type Entry, type Order } from '../support/telemetry-ledger.ts';
import {
  createLongOrder,
  createOrder,
  createRandom,
  createCrowdOrder,
} from '../support/telemetry-orders.ts';

const requests = Number(process.env['LEDGER_REQUESTS'] ?? 2000);
const seed = Number(process.env['LEDGER_SEED'] ?? 1);
const key = 'sk-ledger';
const sequences = 4;
const queueLimit = 24;

const active = 'inference_sequences_active';

type Line = GenerationSummary & { trace_id: string; msg: string };

let folder: string;
let service: ChatService;
const entries: Entry[] = [];
let samples: Samples;
const lines = new Map<string, Line[]>();

async function placeAll(orders: readonly Order[], atOnce: number): Promise<void> {
  const left = [...orders];
  const work = async (): Promise<void> => {
    for (let order = left.shift(); order !== undefined; order = left.shift()) {
      entries.push(await place(service.url, order));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** Kills the engine when all of these generate; it comes back by itself. */
async function crashUnder(orders: readonly Order[]): Promise<void> {
  const isOut = async (): Promise<boolean> => (await service.sample(active)) === orders.length;
  const answered = placeAll(orders, orders.length);
  await until(isOut);
  const ready = service.log.findLast((line) => line.includes('"the engine is ready"')) ?? '{}';
  process.kill((JSON.parse(ready) as { pid: number }).pid, 'SIGKILL');
  await answered;
  await until(async () => (await fetch(`${service.url}/readyz`)).ok);
}

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
}

function sumOf(from: Samples, name: string): number {
  const values = [...from].filter(([series]) => series.startsWith(`${name}{`));
  return values.reduce((sum, [, value]) => sum + value, 0);
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'ledger-'));
  const model = path.join(folder, 'endless.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'Hello there, no end.', loop: true, out: model });
  service = await startChatService({
    CHAT_MODEL: model,
    CHAT_API_KEYS: key,
    CHAT_SEQUENCES: String(sequences),
    CHAT_CONTEXT: '4096',
    CHAT_QUEUE_LIMIT: String(queueLimit),
    CHAT_QUEUE_TIMEOUT_SECONDS: '1',
    CHAT_DEADLINE_SECONDS: '2',
  });
  const random = createRandom(seed);
  const many = (count: number, make: typeof createOrder): Order[] =>
    Array.from({ length: count }, () => make(random, key));
  const crowd = Math.max(3 * queueLimit, Math.floor(requests / 10));
  const late = sequences + 2;
  const mixed = requests - crowd - late - sequences;
  // A crowd and those that left are kept apart: whoever left cannot tell whether there was room for it.
  await placeAll(many(Math.ceil(mixed / 2), createOrder), 12);
  await placeAll(many(crowd, createCrowdOrder), crowd);
  await placeAll(many(late, createLongOrder), late);
  await crashUnder(many(sequences, createLongOrder));
  await placeAll(many(Math.floor(mixed / 2), createOrder), 12);
  closeConnections();
  await until(async () => {
    samples = await scrape();
    const open = sumOf(samples, 'http_server_active_requests');
    return open === 0 && sumOf(samples, 'inference_requests_total') >= entries.length;
  });
  for (const text of service.log) {
    const line = JSON.parse(text) as Line;
    if (line.msg === 'generation')
      lines.set(line.trace_id, [...(lines.get(line.trace_id) ?? []), line]);
  }
}, 120_000);

afterAll(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true });
});

/** The samples of one family that are not zero. */
function counted(name: string): Record<string, number> {
  const nonZero = [...samples].filter(
    ([series, value]) => value !== 0 && series.split('{', 1)[0] === name,
  );
  return Object.fromEntries(nonZero);
}

function countBy(series: (entry: Entry) => string | undefined): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const entry of entries) {
    const name = series(entry);
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const lineOf = (entry: Entry): Line | undefined => lines.get(entry.traceId)?.[0];

/** `/chat` is plain text: how a whole answer ended stands in the log alone. */
function endingOf(entry: Entry): string {
  return entry.ending === 'completed' ? `completed ${lineOf(entry)?.reason}` : entry.ending;
}

test(`with seed ${seed} everything happened that was meant to`, () => {
  expect(entries).toHaveLength(requests);
  const happened = new Set(entries.map(({ ending }) => ending));
  for (const ending of [
    'completed stop',
    'completed length',
    'cancelled client_gone',
    'cancelled deadline',
    'rejected bad_request',
    'rejected context_overflow',
    'rejected model_not_found',
    'rejected queue_full',
    'rejected unauthorized',
    'failed engine_exit',
  ]) {
    expect(happened).toContain(ending);
  }
});

test('every request has one outcome, the one that its client saw', () => {
  const expected = countBy((entry) => {
    const [outcome, reason] = endingOf(entry).split(' ');
    return `inference_requests_total{outcome="${outcome}",reason="${reason}"}`;
  });
  expect(counted('inference_requests_total')).toEqual(expected);
});

test('every request has one line in the log, which says the same', () => {
  const told = entries.map(({ traceId }) =>
    (lines.get(traceId) ?? []).map(({ outcome, reason }) => `${outcome} ${reason}`),
  );
  expect(told).toEqual(entries.map((entry) => [endingOf(entry)]));
  expect(lines.size).toBe(entries.length);
});

test('every stream ended once, as its client saw it', () => {
  const expected = countBy(({ stream }) =>
    stream === undefined ? undefined : `inference_stream_terminations_total{how="${stream}"}`,
  );
  expect(counted('inference_stream_terminations_total')).toEqual(expected);
});

test('tokens are those that the answers say, and the log of those that nobody read to the end', () => {
  const total = { input: 0, cached: 0, output: 0, gaps: 0 };
  for (const entry of entries) {
    const line = lineOf(entry);
    const prefilled = line?.prefillSeconds !== undefined;
    const logged = {
      input: prefilled ? line.inputTokens : 0,
      cached: line?.cachedTokens ?? 0,
      output: line?.outputTokens ?? 0,
    };
    const { input, cached, output } = entry.usage ?? logged;
    expect(logged).toEqual(entry.usage ?? logged);
    total.input += input - cached;
    total.cached += cached;
    total.output += output;
    total.gaps += Math.max(0, output - 1);
  }
  expect(counted('inference_tokens_total')).toEqual({
    'inference_tokens_total{type="input"}': total.input,
    'inference_tokens_total{type="cached_input"}': total.cached,
    'inference_tokens_total{type="output"}': total.output,
  });
  expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(total.gaps);
  expect(sumOf(samples, 'gen_ai_client_token_usage_sum')).toBe(
    total.input + total.cached + total.output,
  );
});

test('HTTP has every request once, under its route and status', () => {
  const name = 'http_server_request_duration_seconds_count';
  const expected = countBy(({ path, status }) => {
    const error = status >= 500 ? `error_type="${status}",` : '';
    return `${name}{${error}http_request_method="POST",http_response_status_code="${status}",http_route="${path}"}`;
  });
  expect(counted(name)).toEqual(expected);
});

test('every gauge is back at zero', () => {
  const gauges = ['inference_queue_depth', active];
  expect(gauges.map((name) => samples.get(name))).toEqual([0, 0]);
  expect(counted('http_server_active_requests')).toEqual({});
});
