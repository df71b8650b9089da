/**
 * A seeded mix of requests to the real service, then every ratio that a panel, rule or page shows, asked of a real Prometheus and compared
 * with the ledger of the clients. Prometheus scrapes one exposition from before the mix and one from after it, so that every rate
 * grows by the same factor and the ratios are exact.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ruleFiles, writeRuleFile } from '../../../alerting/rules.ts';
import { defaultThresholds, type Thresholds } from '../../../otel/thresholds.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { freePort } from '../../support/free-ports.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { countTokens, readLines, sumOf } from '../../support/otel/expected-series.ts';
import {
  closeConnections,
  send,
  type RecordedRequest,
  type RequestPlan,
} from '../../support/otel/recording-client.ts';
import { createMixedRequest, createShortRequest } from '../../support/otel/request-mix.ts';
import { findTool, parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { shownRatios, type RatioName } from '../../support/otel/shown-ratios.ts';
import { createRandom } from '../../support/random.ts';
import { until } from '../../support/until.ts';

const seed = 1;
const sequences = 8;
const seconds = { bound: 2.5, late: 3.5, answeredLate: 3.7, queueTimeout: 5, deadline: 12 };
const thresholds: Thresholds = {
  ...defaultThresholds,
  slo: { ...defaultThresholds.slo, above: seconds.bound },
};

/** What a client saw of its request. */
type Seen =
  | 'answered'
  | 'answered late'
  | 'broken off after its 200'
  | 'refused with 429'
  | 'refused with 503 at once'
  | 'refused with 503 after the bound'
  | 'own mistake'
  | 'left after a first token'
  | 'left early'
  | 'left after the bound';

type Judged = Record<'availability' | 'latency' | 'capacity' | 'status', 'good' | 'bad' | '-'>;

const judge = (text: string): Judged => {
  const [availability, latency, capacity, status] = text.split(' ') as Judged['status'][];
  return { availability, latency, capacity, status } as Judged;
};

/** Written by hand, apart from otel/outcomes.ts: availability, latency, capacity, status. */
const judged: Record<Seen, Judged> = {
  answered: judge('good good good good'),
  'answered late': judge('good bad good good'),
  'broken off after its 200': judge('bad good good bad'),
  'refused with 429': judge('bad - bad good'),
  'refused with 503 at once': judge('bad - bad bad'),
  'refused with 503 after the bound': judge('bad bad bad bad'),
  'own mistake': judge('- - - good'),
  'left after a first token': judge('- good - good'),
  'left early': judge('- - - good'),
  'left after the bound': judge('bad bad - good'),
};

const shown = shownRatios(thresholds);
const recorded: RecordedRequest[] = [];
const ledger: Seen[] = [];
let folder: string;
let service: ChatService;
let metricsServer: Server;
let prometheus: ChildProcess | undefined;
let prometheusUrl: string;
let exposition: string;

async function scrape(): Promise<Samples> {
  return parseSamples(await (await fetch(`${service.url}/metrics`)).text());
}

function seenOf(request: RecordedRequest, waited: number): Seen {
  const { status, ending, stream } = request;
  if (ending.startsWith('completed')) return waited > seconds.bound ? 'answered late' : 'answered';
  if (stream === 'client_gone') return 'left after a first token';
  if (stream === 'error_frame') return 'broken off after its 200';
  if (status === 429) return 'refused with 429';
  if (ending === 'rejected queue_timeout') return 'refused with 503 after the bound';
  if (ending === 'rejected not_ready') return 'refused with 503 at once';
  if (status === 400) return 'own mistake';
  throw new Error(`${status} ${ending}: unexpected in this mix`);
}

async function record(plan: RequestPlan): Promise<Seen> {
  const began = performance.now();
  const request = await send(service.url, plan);
  recorded.push(request);
  const seen = seenOf(request, (performance.now() - began) / 1000);
  ledger.push(seen);
  return seen;
}

/** Leaves the queue without having got a byte. */
async function leave(after: Promise<unknown>, seen: Seen): Promise<void> {
  const gone = new AbortController();
  void after.then(() => gone.abort());
  const body = JSON.stringify({ prompt: 'hello', max_tokens: 4 });
  const init = { method: 'POST', body, signal: gone.signal };
  await expect(fetch(`${service.url}/v1/completions`, init)).rejects.toThrow('aborted');
  ledger.push(seen);
}

/** Streams that end by the deadline or with the engine, not by themselves. */
const endless: RequestPlan = {
  path: '/v1/chat/completions',
  body: {
    messages: [{ role: 'user', content: 'tell me more' }],
    stream: true,
    max_tokens: 3900,
    logprobs: true,
    top_logprobs: 5,
  },
};

/** Resolves when every stream has had tokens. */
async function holdAllSequences(): Promise<{ startedAt: number; ended: Promise<Seen[]> }> {
  const count = async (): Promise<{ prompts: number; tokens: number }> => {
    const samples = await scrape();
    const prompts = samples.get('inference_prefill_duration_seconds_count') ?? 0;
    return { prompts, tokens: samples.get('inference_tokens_total{type="output"}') ?? 0 };
  };
  const before = await count();
  const startedAt = performance.now();
  const holders = Array.from({ length: sequences }, () => record(endless));
  await until(async () => {
    const { prompts, tokens } = await count();
    return prompts === before.prompts + sequences && tokens > before.tokens + 20 * sequences;
  });
  return { startedAt, ended: Promise.all(holders) };
}

/** Not from a scrape, because scrapes within a second share one collection. */
async function waiting(): Promise<number> {
  const status = (await (await fetch(`${service.url}/api/status`)).json()) as {
    queue: { depth: number };
  };
  return status.queue.depth;
}

/** A full house: people leave early and late, some are refused, and the last ones are answered late. */
async function crowd(random: () => number): Promise<void> {
  const short = (): Promise<Seen> => record(createShortRequest(random, ''));
  const { startedAt, ended } = await holdAllSequences();
  const queued = Promise.withResolvers<void>();
  const leavers = [
    ...Array.from({ length: 3 }, () => leave(queued.promise, 'left early')),
    ...Array.from({ length: 2 }, () => leave(sleep(seconds.late * 1000), 'left after the bound')),
  ];
  await until(async () => (await waiting()) === 5);
  queued.resolve();
  await until(async () => (await waiting()) === 2);
  const refused = Array.from({ length: 9 }, short);
  // The sequences are free when their streams meet the deadline.
  const freeAt = startedAt + seconds.deadline * 1000;
  await sleep(freeAt - seconds.answeredLate * 1000 - performance.now());
  const late = Array.from({ length: 2 }, short);
  await Promise.all([...leavers, ...refused, ...late, ended]);
}

/** The engine dies under open streams, and refuses until it is back. */
async function crash(random: () => number): Promise<void> {
  const { ended } = await holdAllSequences();
  process.kill(service.enginePid(), 'SIGKILL');
  await ended;
  await until(async () => (await record(createShortRequest(random, ''))).startsWith('refused'));
  await until(async () => (await fetch(`${service.url}/readyz`)).ok);
}

async function sendMix(random: () => number, count: number): Promise<void> {
  // Statuses without a series before the first request have no increase for it, and a client that leaves with the request cannot know
  // whether a token was under way.
  const isExact = ({ disconnectAfter, key, body }: RequestPlan): boolean =>
    disconnectAfter !== 'request' &&
    key !== 'wrong' &&
    !JSON.stringify(body).includes('unknown-model');
  const drawn = Array.from({ length: 4 * count }, () => createMixedRequest(random, ''));
  for (const plan of drawn.filter(isExact).slice(0, count)) await record(plan);
}

async function startPrometheus(): Promise<void> {
  metricsServer = createServer((_, response) =>
    response.setHeader('content-type', 'text/plain; version=0.0.4').end(exposition),
  );
  metricsServer.listen(0, '127.0.0.1');
  await once(metricsServer, 'listening');
  const target = `127.0.0.1:${(metricsServer.address() as AddressInfo).port}`;
  const files = ruleFiles({ thresholds });
  for (const file of files) writeFileSync(join(folder, `${file.name}.yml`), writeRuleFile(file));
  const interval = '500ms';
  const config = {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: files.map(({ name }) => `${name}.yml`),
    scrape_configs: [{ job_name: 'qwen-instruct', static_configs: [{ targets: [target] }] }],
  };
  // JSON is valid YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const listen = `127.0.0.1:${await freePort()}`;
  prometheusUrl = `http://${listen}`;
  const options = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=${listen}`,
    '--log.level=error',
  ];
  prometheus = spawn(findTool('prometheus'), options, { stdio: 'ignore' });
}

type Result = { metric: Record<string, string>; value: [number, string] }[];

async function query(expr: string): Promise<Result> {
  const parameters = new URLSearchParams({ query: expr });
  const url = `${prometheusUrl}/api/v1/query?${parameters.toString()}`;
  const response = await fetch(url).catch(() => undefined);
  const { data } = ((await response?.json().catch(() => undefined)) ?? {}) as {
    data?: { result?: Result };
  };
  return data?.result ?? [];
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ratios-'));
  const model = join(folder, 'endless.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'Hello there, no end.', loop: true, out: model });
  service = await startChatService({
    CHAT_MODEL: model,
    CHAT_SEQUENCES: String(sequences),
    CHAT_CONTEXT: '4096',
    CHAT_QUEUE_LIMIT: '8',
    CHAT_QUEUE_TIMEOUT_SECONDS: String(seconds.queueTimeout),
    CHAT_DEADLINE_SECONDS: String(seconds.deadline),
  });
  exposition = await (await fetch(`${service.url}/metrics`)).text();
  await startPrometheus();
  const random = createRandom(seed);
  await sendMix(random, 60);
  await crowd(random);
  await crash(random);
  await sendMix(random, 20);
  closeConnections();
  await until(async () => {
    const samples = await scrape();
    const open = sumOf(samples, 'http_server_active_requests');
    return open === 0 && sumOf(samples, 'inference_requests_total') === ledger.length;
  });
  const recordedBefore = 'sum(http_requests_total) == 0';
  await until(async () => (await query(recordedBefore)).length > 0);
  exposition = await (await fetch(`${service.url}/metrics`)).text();
  const recordedAfter = 'job:slo_errors:ratio_rate3d > 0';
  await until(async () => (await query(recordedAfter)).length === 2);
  await until(async () => (await query('sum(rate(http_requests_total[5m])) > 0')).length > 0);
});

afterAll(async () => {
  await service?.stop();
  if (prometheus !== undefined) {
    const gone = once(prometheus, 'exit');
    prometheus.kill('SIGKILL');
    await gone;
  }
  metricsServer?.closeAllConnections();
  metricsServer?.close();
  rmSync(folder, { recursive: true });
});

/** The share of bad requests in the ledger. */
function expected(ratio: RatioName): number {
  if (ratio === 'cached') {
    const { input, cached } = countTokens(recorded, readLines(service.log));
    return cached / (input + cached);
  }
  // No client of this mix stops reading.
  if (ratio === 'stalled') return 0;
  const counts = ledger.map((seen) => judged[seen][ratio]).filter((count) => count !== '-');
  return counts.filter((count) => count === 'bad').length / counts.length;
}

test(`seed ${seed} has every way in which a request can end for its client`, () => {
  expect(new Set(ledger)).toEqual(new Set(Object.keys(judged)));
});

test.each(shown)('$where agrees with the ledger: $expr', async ({ expr, ratio, of }) => {
  const result = await query(expr.replaceAll('$instance', '.*'));
  expect(result.length).toBeGreaterThan(0);
  for (const { metric, value } of result) {
    const name = ratio ?? (metric['slo'] as RatioName);
    expect(Number(value[1])).toBeCloseTo(of(expected(name)), 9);
  }
});
