/**
 * SIGTERM while requests stream and others wait in the queue. The last scrape, the log and the flushed spans must agree with
 * what the clients recorded.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { readSpans, type OtlpTrace, type TestSpan } from '../../support/otel/trace.ts';
import {
  nonZero,
  countTokens,
  endingOf,
  httpCount,
  httpSeries,
  readLines,
  requestSeries,
  streamSeries,
  sumOf,
  tokenSeries,
  loggedEndings,
  type Lines,
} from '../../support/otel/expected-series.ts';
import { startCollector, type Collector } from '../../support/otel/collector.ts';
import {
  closeConnections,
  send,
  type RecordedRequest,
  type RequestPlan,
} from '../../support/otel/recording-client.ts';
import { createMixedRequest } from '../../support/otel/request-mix.ts';
import { createRandom } from '../../support/random.ts';

const sequences = 4;
const chat = '/v1/chat/completions';
const stream = { stream: true, stream_options: { include_usage: true } };

function ask(fields: object): RequestPlan {
  return { path: chat, body: { messages: [{ role: 'user', content: 'hi' }], ...fields } };
}
/** Far more tokens than the engine can generate within the grace period. */
const endless = { max_tokens: 16_000 };
const short = { max_tokens: 4 };
const plain: RequestPlan = { path: '/chat', body: { prompt: 'hi', ...endless } };
const text: RequestPlan = { path: '/v1/completions', body: { prompt: 'hi', ...endless } };

let folder: string;
let collector: Collector;
let service: ChatService;
const recorded: RecordedRequest[] = [];
/** A request whose body stays incomplete, so that the service has an open request until the test closes it. */
let last: RecordedRequest;
let whileDraining: Samples;
let samples: Samples;
let lines: Lines;
let spans: TestSpan[];
let exitCode: number | null;

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
}

async function sendAll(
  plans: readonly RequestPlan[],
  note = (request: RecordedRequest): RecordedRequest => request,
): Promise<void> {
  const placed = await Promise.all(plans.map((plan) => send(service.url, plan)));
  recorded.push(...placed.map((request) => note(request)));
}

/** Opens a request with an incomplete body; resolves with the function that disconnects, once the headers have arrived. */
async function holdOpen(): Promise<() => void> {
  const traceId = randomBytes(16).toString('hex');
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  const head = `host: localhost\r\ncontent-length: 100\r\ntraceparent: 00-${traceId}-${'1'.repeat(16)}-01`;
  socket.write(`POST ${chat} HTTP/1.1\r\n${head}\r\n\r\n{"messages"`);
  last = { traceId, path: chat, status: 499, ending: 'cancelled client_gone' };
  const open = 'http_server_active_requests{http_request_method="POST",url_scheme="http"}';
  await until(async () => (await service.sample(open)) === 1);
  return () => void socket.destroy();
}

async function isBusy(depth: number): Promise<boolean> {
  const now = await scrape();
  const active = now.get('inference_sequences_active');
  return active === sequences && now.get('inference_queue_depth') === depth;
}

/** Fills all sequences, then queues two short requests, then four endless requests. */
async function fill(disconnect: Promise<void>): Promise<Promise<void>[]> {
  const first = { ...ask({ ...endless, ...stream }), disconnectAfter: disconnect };
  const running = sendAll([first, ask({ ...endless, ...stream }), ask(endless), plain]);
  await until(() => isBusy(0));
  const next = sendAll([ask(short), ask({ ...short, ...stream })]);
  await until(() => isBusy(2));
  const waiting = sendAll([ask({ ...endless, ...stream }), ask(endless), plain, text]);
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
    // No export before the shutdown, so that every span received comes from its flush.
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  const random = createRandom(1);
  await sendAll(Array.from({ length: 30 }, () => createMixedRequest(random, '')));
  await until(async () => sumOf(await scrape(), 'http_server_active_requests') === 0);
  const disconnectLast = await holdOpen();
  const firstDisconnects = Promise.withResolvers<void>();
  const placed = await fill(firstDisconnects.promise);
  const exit = service.stop();
  await until(() => service.log.some((line) => line.includes('"draining"')));
  const late = [ask(short), ask({ ...short, ...stream }), { path: chat, body: '{' }];
  await sendAll(late, (request) => ({
    ...request,
    // The answer does not show whether the generation had begun.
    ending: request.ending.replace('cancelled shutdown', 'rejected shutdown'),
  }));
  await until(async () => {
    whileDraining = await scrape();
    return whileDraining.get('inference_ready') === 0;
  });
  firstDisconnects.resolve();
  await Promise.all(placed);
  await until(async () => {
    samples = await scrape();
    const open = sumOf(samples, 'http_server_active_requests');
    return open === 1 && sumOf(samples, 'inference_requests_total') === recorded.length;
  });
  disconnectLast();
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

test('the clients saw every expected ending', () => {
  const happened = recorded.map(({ status, ending, stream: how }) => `${status} ${ending} ${how}`);
  const times = (what: string): number => happened.filter((each) => each === what).length;
  // Two of the four running requests stream until the shutdown. One client disconnects; its sequence serves the two short
  // requests and then a queued stream.
  expect(times('200 cancelled shutdown error_frame')).toBe(3);
  expect(times('503 cancelled shutdown undefined')).toBe(4);
  expect(times('503 rejected shutdown undefined')).toBe(3);
  for (const each of ['200 completed length done', '200 cancelled client_gone client_gone']) {
    expect(happened).toContain(each);
  }
});

describe('the scrape of a draining service', () => {
  test('reports that the service is not ready and counts the rejected requests', () => {
    expect(whileDraining.get('inference_ready')).toBe(0);
    const rejected = 'inference_requests_total{outcome="rejected",reason="shutdown"}';
    expect(whileDraining.get(rejected)).toBe(3);
  });

  test('finally has one outcome per request, the one its client saw', () => {
    expect(nonZero(samples, 'inference_requests_total')).toEqual(requestSeries(recorded, lines));
  });

  test('has one termination per stream', () => {
    const name = 'inference_stream_terminations_total';
    expect(nonZero(samples, name)).toEqual(streamSeries(recorded));
  });

  test('counts each HTTP request under its route and status', () => {
    expect(nonZero(samples, httpCount)).toEqual(httpSeries(recorded));
  });

  test('counts the tokens of all requests', () => {
    const total = countTokens(recorded, lines);
    expect(nonZero(samples, 'inference_tokens_total')).toEqual(tokenSeries(total));
    expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(total.gaps);
  });

  test('has no waiting and no running requests', () => {
    const gauges = ['inference_queue_depth', 'inference_sequences_active'];
    expect(gauges.map((name) => samples.get(name))).toEqual([0, 0]);
  });
});

test('the log has one line per request, the last one included, and then "stopped"', () => {
  const all = [...recorded, last];
  expect(loggedEndings(all, lines)).toEqual(all.map((request) => [endingOf(request, lines)]));
  expect(lines.size).toBe(all.length);
  expect(JSON.parse(service.log.at(-1)!)).toMatchObject({ msg: 'stopped' });
  expect(service.log.filter((line) => line.includes('LoggerProvider'))).toEqual([]);
  expect(exitCode).toBe(0);
});

describe('the flushed spans', () => {
  test('have the ending of each request once, the last one included', () => {
    for (const request of [...recorded, last]) {
      const chats = spansOf(request).filter(
        ({ attributes }) => attributes['inference.outcome'] !== undefined,
      );
      const endings = chats.map(({ attributes }) =>
        [attributes['inference.outcome'], attributes['inference.reason']].join(' '),
      );
      expect(endings).toEqual([endingOf(request, lines)]);
    }
  });

  test('of an interrupted request form a tree of the phases it reached, each with an end time', () => {
    const interrupted = recorded.filter(({ ending }) => ending === 'cancelled shutdown');
    const waited = ['queue', 'tokenize'];
    const ran = ['decode', 'prefill', ...waited];
    expect(interrupted.map((request) => phasesOf(request).join()).toSorted()).toEqual(
      [ran, ran, ran, ran, waited, waited, waited].map((phases) => phases.join()),
    );
  });
});

function spansOf({ traceId }: RecordedRequest): TestSpan[] {
  return spans.filter((span) => span.traceId === traceId);
}

/** @throws when a span has the wrong parent, or ends before its start or after its parent. */
function phasesOf(request: RecordedRequest): string[] {
  const tree = spansOf(request);
  const root = tree.find(({ name }) => name === `POST ${request.path}`);
  const chatSpan = tree.find(({ parentId }) => parentId === root?.id);
  const phases = tree.filter(({ parentId }) => parentId === chatSpan?.id);
  expect(tree).toHaveLength(2 + phases.length);
  for (const span of tree) expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);
  for (const { endedAt } of phases) expect(endedAt).toBeLessThanOrEqual(chatSpan!.endedAt);
  return phases.map(({ name }) => name).toSorted();
}
