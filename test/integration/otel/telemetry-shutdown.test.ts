/**
 * Closed accounting at the end: SIGTERM while requests stream and others wait, and when the last client has been told, the last
 * scrape, the log and the spans that were flushed say what the clients saw.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { startChatService, until, type ChatService } from '../../support/api/chat-service.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { readSpans, type OtlpTrace, type TestSpan } from '../../support/otel/trace.ts';
import {
  counted,
  countTokens,
  endingOf,
  httpCount,
  httpSeries,
  readLines,
  requestSeries,
  streamSeries,
  sumOf,
  tokenSeries,
  toldEndings,
  type Lines,
} from '../../support/otel/telemetry-books.ts';
import { startCollector, type Collector } from '../../support/otel/telemetry-collector.ts';
import {
  closeConnections,
  place,
  type Entry,
  type Order,
} from '../../support/otel/telemetry-ledger.ts';
import { createOrder } from '../../support/otel/telemetry-orders.ts';
import { createRandom } from '../../support/random.ts';

const sequences = 4;
const chat = '/v1/chat/completions';
const stream = { stream: true, stream_options: { include_usage: true } };

function ask(fields: object): Order {
  return { path: chat, body: { messages: [{ role: 'user', content: 'hi' }], ...fields } };
}
/** Far more tokens than come in the grace period. */
const endless = { max_tokens: 16_000 };
const short = { max_tokens: 4 };
const plain: Order = { path: '/chat', body: { prompt: 'hi', ...endless } };
const text: Order = { path: '/v1/completions', body: { prompt: 'hi', ...endless } };

let folder: string;
let collector: Collector;
let service: ChatService;
const entries: Entry[] = [];
/** Its body never comes whole: the service has a last request for as long as it likes. */
let last: Entry;
let whileDraining: Samples;
let samples: Samples;
let lines: Lines;
let spans: TestSpan[];
let exitCode: number | null;

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
}

async function placeAll(
  orders: readonly Order[],
  note = (entry: Entry): Entry => entry,
): Promise<void> {
  const placed = await Promise.all(orders.map((order) => place(service.url, order)));
  entries.push(...placed.map((entry) => note(entry)));
}

/** Resolves with how to leave, when the headers have arrived. */
async function holdOpen(): Promise<() => void> {
  const traceId = randomBytes(16).toString('hex');
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  const head = `host: x\r\ncontent-length: 100\r\ntraceparent: 00-${traceId}-${'1'.repeat(16)}-01`;
  socket.write(`POST ${chat} HTTP/1.1\r\n${head}\r\n\r\n{"messages"`);
  last = { traceId, path: chat, status: 499, ending: 'cancelled client_gone' };
  const open = 'http_server_active_requests{http_request_method="POST"}';
  await until(async () => (await service.sample(open)) === 1);
  return () => void socket.destroy();
}

async function isBusy(depth: number): Promise<boolean> {
  const now = await scrape();
  const active = now.get('inference_sequences_active');
  return active === sequences && now.get('inference_queue_depth') === depth;
}

/** All sequences taken, two short answers next in the line and longer ones behind them. */
async function fill(leaving: Promise<void>): Promise<Promise<void>[]> {
  const first = { ...ask({ ...endless, ...stream }), leaveAfter: leaving };
  const running = placeAll([first, ask({ ...endless, ...stream }), ask(endless), plain]);
  await until(() => isBusy(0));
  const next = placeAll([ask(short), ask({ ...short, ...stream })]);
  await until(() => isBusy(2));
  const waiting = placeAll([ask({ ...endless, ...stream }), ask(endless), plain, text]);
  await until(() => isBusy(6));
  return [running, next, waiting];
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'shutdown-'));
  const model = path.join(folder, 'endless.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'Hello there, no end.', loop: true, out: model });
  collector = await startCollector('receiving');
  service = await startChatService({
    CHAT_MODEL: model,
    CHAT_SEQUENCES: String(sequences),
    CHAT_CONTEXT: '16384',
    CHAT_GRACE_SECONDS: '3',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    // Whatever arrives has been flushed at the end.
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  const random = createRandom(1);
  await placeAll(Array.from({ length: 30 }, () => createOrder(random, '')));
  await until(async () => sumOf(await scrape(), 'http_server_active_requests') === 0);
  const leave = await holdOpen();
  const leaving = Promise.withResolvers<void>();
  const placed = await fill(leaving.promise);
  const exit = service.stop();
  await until(() => service.log.some((line) => line.includes('"draining"')));
  const late = [ask(short), ask({ ...short, ...stream }), { path: chat, body: '{' }];
  await placeAll(late, (entry) => ({
    ...entry,
    // Nobody can tell from the answer whether it had begun.
    ending: entry.ending.replace('cancelled shutdown', 'rejected shutdown'),
  }));
  await until(async () => {
    whileDraining = await scrape();
    return whileDraining.get('inference_ready') === 0;
  });
  leaving.resolve();
  await Promise.all(placed);
  await until(async () => {
    samples = await scrape();
    const open = sumOf(samples, 'http_server_active_requests');
    return open === 1 && sumOf(samples, 'inference_requests_total') === entries.length;
  });
  leave();
  exitCode = await exit;
  lines = readLines(service.log);
  spans = collector.bodies().flatMap((body) => readSpans(JSON.parse(body) as OtlpTrace));
});

afterAll(async () => {
  closeConnections();
  await service?.stop();
  await collector?.close();
  rmSync(folder, { recursive: true });
});

test('everything happened that was meant to', () => {
  const happened = entries.map(({ status, ending, stream: how }) => `${status} ${ending} ${how}`);
  const times = (what: string): number => happened.filter((each) => each === what).length;
  // Of four that ran two streamed to the end; in the place of one that left came two short ones, then a stream that had waited.
  expect(times('200 cancelled shutdown error_frame')).toBe(3);
  expect(times('503 cancelled shutdown undefined')).toBe(4);
  expect(times('503 rejected shutdown undefined')).toBe(3);
  for (const each of ['200 completed length done', '200 cancelled client_gone client_gone']) {
    expect(happened).toContain(each);
  }
});

describe('the scrape of a service that drains', () => {
  test('is read, and says that it is not ready and whom it turned away', () => {
    expect(whileDraining.get('inference_ready')).toBe(0);
    const rejected = 'inference_requests_total{outcome="rejected",reason="shutdown"}';
    expect(whileDraining.get(rejected)).toBe(3);
  });

  test('has one outcome for every request at the end, the one that its client saw', () => {
    expect(counted(samples, 'inference_requests_total')).toEqual(requestSeries(entries, lines));
  });

  test('has one ending for every stream', () => {
    const name = 'inference_stream_terminations_total';
    expect(counted(samples, name)).toEqual(streamSeries(entries));
  });

  test('has every HTTP request under its route and status', () => {
    expect(counted(samples, httpCount)).toEqual(httpSeries(entries));
  });

  test('has the tokens of all of them', () => {
    const total = countTokens(entries, lines);
    expect(counted(samples, 'inference_tokens_total')).toEqual(tokenSeries(total));
    expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(total.gaps);
  });

  test('has nobody waiting or running', () => {
    const gauges = ['inference_queue_depth', 'inference_sequences_active'];
    expect(gauges.map((name) => samples.get(name))).toEqual([0, 0]);
  });
});

test('the log has one line for every request, the last one too, and then the end', () => {
  const all = [...entries, last];
  expect(toldEndings(all, lines)).toEqual(all.map((entry) => [endingOf(entry, lines)]));
  expect(lines.size).toBe(all.length);
  expect(JSON.parse(service.log.at(-1)!)).toMatchObject({ msg: 'stopped' });
  expect(exitCode).toBe(0);
});

describe('the spans that were flushed', () => {
  test('say of every request once how it ended, the last one too', () => {
    for (const entry of [...entries, last]) {
      const chats = spansOf(entry).filter(({ attributes }) => attributes['outcome'] !== undefined);
      const endings = chats.map(({ attributes }) =>
        [attributes['outcome'], attributes['reason']].join(' '),
      );
      expect(endings).toEqual([endingOf(entry, lines)]);
    }
  });

  test('of an interrupted request are the tree of how far it had come, each with its end', () => {
    const interrupted = entries.filter(({ ending }) => ending === 'cancelled shutdown');
    const waited = ['queue', 'tokenize'];
    const ran = ['decode', 'prefill', ...waited];
    expect(interrupted.map((entry) => phasesOf(entry).join()).toSorted()).toEqual(
      [ran, ran, ran, ran, waited, waited, waited].map((phases) => phases.join()),
    );
  });
});

function spansOf({ traceId }: Entry): TestSpan[] {
  return spans.filter((span) => span.traceId === traceId);
}

/** @throws where a span of the trace stands elsewhere than in its place, or ends before it begins or after its parent. */
function phasesOf(entry: Entry): string[] {
  const tree = spansOf(entry);
  const root = tree.find(({ name }) => name === `POST ${entry.path}`);
  const chatSpan = tree.find(({ parentId }) => parentId === root?.id);
  const phases = tree.filter(({ parentId }) => parentId === chatSpan?.id);
  expect(tree).toHaveLength(2 + phases.length);
  for (const span of tree) expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);
  for (const { endedAt } of phases) expect(endedAt).toBeLessThanOrEqual(chatSpan!.endedAt);
  return phases.map(({ name }) => name).toSorted();
}
