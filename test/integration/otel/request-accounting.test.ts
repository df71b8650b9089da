/**
 * Sends 500 mixed requests to the real service, then compares every count of `/metrics` and the log with what the client recorded.
 * ACCOUNTING_REQUESTS and ACCOUNTING_SEED change the number of requests (`make chaos`: 20,000) and the seed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import {
  nonZero,
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
  loggedEndings,
  type Lines,
} from '../../support/otel/expected-series.ts';
import {
  closeConnections,
  send,
  type RecordedRequest,
  type RequestPlan,
} from '../../support/otel/recording-client.ts';
import { createRandom } from '../../support/random.ts';
import {
  createShortRequest,
  createEndlessRequest,
  createMixedRequest,
} from '../../support/otel/request-mix.ts';

const requests = Number(process.env['ACCOUNTING_REQUESTS'] ?? 500);
const seed = Number(process.env['ACCOUNTING_SEED'] ?? 1);
const key = 'sk-accounting';
const sequences = 4;
const queueLimit = 24;

const active = 'inference_sequences_active';

let folder: string;
let service: ChatService;
const recorded: RecordedRequest[] = [];
let samples: Samples;
let lines: Lines;

async function sendAll(plans: readonly RequestPlan[], atOnce: number): Promise<void> {
  const left = [...plans];
  const work = async (): Promise<void> => {
    for (let plan = left.shift(); plan !== undefined; plan = left.shift()) {
      recorded.push(await send(service.url, plan));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** Kills the engine while all of these requests generate, then waits until the service has restarted it. */
async function crashDuring(plans: readonly RequestPlan[]): Promise<void> {
  const allGenerate = async (): Promise<boolean> => (await service.sample(active)) === plans.length;
  const answered = sendAll(plans, plans.length);
  await until(allGenerate);
  process.kill(service.enginePid(), 'SIGKILL');
  await answered;
  await until(async () => (await fetch(`${service.url}/readyz`)).ok);
}

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'accounting-'));
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
  const createMany = (count: number, make: typeof createMixedRequest): RequestPlan[] =>
    Array.from({ length: count }, () => make(random, key));
  const crowd = Math.max(3 * queueLimit, Math.floor(requests / 10));
  const overdue = sequences + 2;
  const mixed = requests - crowd - overdue - sequences;
  // Requests that overfill the queue are sent apart from requests that disconnect early: a client that disconnects cannot
  // tell whether the queue had room for it.
  await sendAll(createMany(Math.ceil(mixed / 2), createMixedRequest), 12);
  await sendAll(createMany(crowd, createShortRequest), crowd);
  await sendAll(createMany(overdue, createEndlessRequest), overdue);
  await crashDuring(createMany(sequences, createEndlessRequest));
  await sendAll(createMany(Math.floor(mixed / 2), createMixedRequest), 12);
  closeConnections();
  await until(async () => {
    samples = await scrape();
    const open = sumOf(samples, 'http_server_active_requests');
    return open === 0 && sumOf(samples, 'inference_requests_total') >= recorded.length;
  });
  lines = readLines(service.log);
});

afterAll(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true });
});

test(`seed ${seed} produces every ending`, () => {
  expect(recorded).toHaveLength(requests);
  const happened = new Set(recorded.map(({ ending }) => ending));
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

test('inference_requests_total counts each request once, with the outcome its client saw', () => {
  expect(nonZero(samples, 'inference_requests_total')).toEqual(requestSeries(recorded, lines));
});

test('the log has one line per request, with the same outcome', () => {
  const seen = recorded.map((request) => [endingOf(request, lines)]);
  expect(loggedEndings(recorded, lines)).toEqual(seen);
  expect(lines.size).toBe(recorded.length);
});

test('each stream has one termination, the one its client saw', () => {
  const name = 'inference_stream_terminations_total';
  expect(nonZero(samples, name)).toEqual(streamSeries(recorded));
});

test('token counts equal the usage of the answers, and the log for answers that were not read to the end', () => {
  const withUsage = recorded.filter(({ usage }) => usage !== undefined);
  const logged = withUsage.map(({ traceId }) => loggedTokens(lines.get(traceId)?.[0]));
  expect(logged).toEqual(withUsage.map(({ usage }) => usage));
  const total = countTokens(recorded, lines);
  expect(nonZero(samples, 'inference_tokens_total')).toEqual(tokenSeries(total));
  expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(total.gaps);
  expect(sumOf(samples, 'gen_ai_client_token_usage_sum')).toBe(
    total.input + total.cached + total.output,
  );
});

test('time to first token counts every answer that had one, however it ended', () => {
  const logged = [...lines.values()].flat();
  const answered = logged.filter(({ firstTokenSeconds }) => firstTokenSeconds !== undefined);
  expect(answered.map(({ outcome }) => outcome)).toContain('cancelled');
  const firstTokens = sumOf(samples, 'gen_ai_server_time_to_first_token_seconds_count');
  expect(firstTokens).toBe(answered.length);
});

test('HTTP metrics count each request once, under its route and status', () => {
  expect(nonZero(samples, httpCount)).toEqual(httpSeries(recorded));
});

test('every gauge returns to zero', () => {
  const gauges = ['inference_queue_depth', active];
  expect(gauges.map((name) => samples.get(name))).toEqual([0, 0]);
  expect(nonZero(samples, 'http_server_active_requests')).toEqual({});
});
