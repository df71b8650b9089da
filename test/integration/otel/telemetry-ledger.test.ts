/**
 * Closed accounting, held against a client's own books: mixed requests against the real service, and when it is quiet again every count
 * of `/metrics` is the client's. LEDGER_REQUESTS (2000) and LEDGER_SEED (1) make it longer and different.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { startChatService, until, type ChatService } from '../../support/api/chat-service.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import {
  counted,
  countTokens,
  endingOf,
  httpCount,
  httpSeries,
  loggedTokens,
  readLines,
  requestSeries,
  streamSeries,
  sumOf,
  tokenSeries,
  toldEndings,
  type Lines,
} from '../../support/otel/telemetry-books.ts';
import {
  closeConnections,
  place,
  type Entry,
  type Order,
} from '../../support/otel/telemetry-ledger.ts';
import { createRandom } from '../../support/random.ts';
import {
  createCrowdOrder,
  createLongOrder,
  createOrder,
} from '../../support/otel/telemetry-orders.ts';

const requests = Number(process.env['LEDGER_REQUESTS'] ?? 2000);
const seed = Number(process.env['LEDGER_SEED'] ?? 1);
const key = 'sk-ledger';
const sequences = 4;
const queueLimit = 24;

const active = 'inference_sequences_active';

let folder: string;
let service: ChatService;
const entries: Entry[] = [];
let samples: Samples;
let lines: Lines;

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
  process.kill(service.enginePid(), 'SIGKILL');
  await answered;
  await until(async () => (await fetch(`${service.url}/readyz`)).ok);
}

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
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
  lines = readLines(service.log);
}, 120_000);

afterAll(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true });
});

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
  expect(counted(samples, 'inference_requests_total')).toEqual(requestSeries(entries, lines));
});

test('every request has one line in the log, which says the same', () => {
  const seen = entries.map((entry) => [endingOf(entry, lines)]);
  expect(toldEndings(entries, lines)).toEqual(seen);
  expect(lines.size).toBe(entries.length);
});

test('every stream ended once, as its client saw it', () => {
  const name = 'inference_stream_terminations_total';
  expect(counted(samples, name)).toEqual(streamSeries(entries));
});

test('tokens are those that the answers say, and the log of those that nobody read to the end', () => {
  const told = entries.filter(({ usage }) => usage !== undefined);
  const logged = told.map(({ traceId }) => loggedTokens(lines.get(traceId)?.[0]));
  expect(logged).toEqual(told.map(({ usage }) => usage));
  const total = countTokens(entries, lines);
  expect(counted(samples, 'inference_tokens_total')).toEqual(tokenSeries(total));
  expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(total.gaps);
  expect(sumOf(samples, 'gen_ai_client_token_usage_sum')).toBe(
    total.input + total.cached + total.output,
  );
});

test('HTTP has every request once, under its route and status', () => {
  expect(counted(samples, httpCount)).toEqual(httpSeries(entries));
});

test('every gauge is back at zero', () => {
  const gauges = ['inference_queue_depth', active];
  expect(gauges.map((name) => samples.get(name))).toEqual([0, 0]);
  expect(counted(samples, 'http_server_active_requests')).toEqual({});
});
