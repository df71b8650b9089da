/**
 * The soak: mixed traffic on a real model for SOAK_MINUTES, while everything that could grow is sampled. The rows are slopes with
 * their errors. SIGTERM ends it early, with the samples so far.
 */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startNotifier, type Notifier } from '../../support/alerting/notifier.ts';
import { startWebhookReceiver } from '../../support/alerting/webhook-receiver.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { coderFile, hasCoder } from '../../support/engine/coder-model.ts';
import { demoFile } from '../../support/engine/llama-model.ts';
import { random } from '../random.ts';
import { databaseBytes, readPid, scrape, sumOf } from './readings.ts';
import { note, type Row, type Section } from './section.ts';
import { fitSlope } from './slope.ts';
import { createTraffic, postAlert } from './soak-traffic.ts';

const minutes = Number(process.env['SOAK_MINUTES'] ?? 60);
const sampleMillis = Math.min(10_000, minutes * 1000);
/** Left out, because caches and pools fill at first. */
const warmUpShare = 1 / 6;
/** Growth below this share of the mean in an hour counts as none, whatever its error. */
const flatShare = 0.01;
/** The limits of the two databases, to which they are filled before the first sample: afterwards they must not grow. */
const tracesLimit = Number(process.env['SOAK_TRACES'] ?? 10_000);
const webhooksLimit = Number(process.env['SOAK_WEBHOOKS'] ?? 5000);

/** The engine fills them within minutes. */
const sizes = { CHAT_SEQUENCES: '4', CHAT_CONTEXT: '1024', CHAT_CACHE_MB: '16' };

type Sample = Record<string, number>;

const units: readonly [name: RegExp, unit: string, divisor: number][] = [
  [/bytes$/, 'MB', 1e6],
  [/seconds$/, 'ms', 1e-3],
  [/./, '', 1],
];

interface Soaked {
  chat: ChatService;
  notifier: Notifier;
  folder: string;
}

export const soak: Section = {
  title: 'Soak',
  introduction: `Mixed traffic on the real model, one request at a time with pauses: streams, conversations, JSON schemas, tools, embeddings, the other APIs, invalid bodies, clients that leave, scrapes, and alerts through the notifier. Both databases are first filled to their limits of ${tracesLimit} traces and ${webhooksLimit} webhooks. Slopes are least squares over samples every 10 s without the first sixth; the error is two standard errors, widened by the correlation of neighbouring residuals. What does not grow by more than its error, or by 1 % of its mean in an hour, holds. The engine has 4 sequences of 1,024 tokens and CHAT_CACHE_MB=16, which are full within minutes: with automatic sizes the KV cache and the cache of prefixes (up to half of the free memory of /dev/shm) fill for hours, and growth would not tell of a leak.`,
  columns: ['what', 'mean', 'slope in an hour', 'error'],
  parts: { traffic: runSoak },
};

async function runSoak(): Promise<Row[]> {
  const model = process.env['SOAK_MODEL'] ?? coderFile;
  if (!hasCoder && !existsSync(model)) {
    return [{ cells: ['no real model: `make model`', '', '', ''], verdict: 'skipped' }];
  }
  await using ends = new AsyncDisposableStack();
  const folder = mkdtempSync(path.join(tmpdir(), 'soak-'));
  ends.defer(() => rmSync(folder, { recursive: true }));
  const receiver = await startWebhookReceiver();
  ends.defer(() => receiver.close());
  const config = path.join(folder, 'config.yml');
  const channels = [{ name: 'hook', kind: 'webhook', url: receiver.url }];
  writeFileSync(config, JSON.stringify({ channels }));
  const notifier = await startNotifier({
    NOTIFIER_CONFIG: config,
    NOTIFIER_DB: path.join(folder, 'notifier.db'),
  });
  ends.defer(async () => void (await notifier.stop()));
  const settings = {
    CHAT_MODEL: model,
    CHAT_EMBEDDINGS: 'true',
    // The machine may be busy with other work for minutes.
    CHAT_HANG_SECONDS: '900',
    CHAT_DEADLINE_SECONDS: '900',
    TRACES_DB: path.join(folder, 'traces.db'),
    ...sizes,
  };
  await fillTraces(settings);
  for (let sent = 0; sent < webhooksLimit; sent++) await postAlert(notifier, sent);
  const chat = await startChatService(settings, { readySeconds: 600 });
  ends.defer(async () => void (await chat.stop()));
  return await measure({ chat, notifier, folder });
}

/** By answers of a small model, which is fast: their traces are as large as those that replace them. */
async function fillTraces(settings: Record<string, string>): Promise<void> {
  const chat = await startChatService({ ...settings, CHAT_MODEL: demoFile });
  const messages = [{ role: 'user', content: 'Hello.' }];
  const body = JSON.stringify({ messages, max_tokens: 4 });
  const clients = Array.from({ length: 4 }, async () => {
    for (let sent = 0; sent < tracesLimit / 4 + 100; sent++) {
      await (await fetch(`${chat.url}/v1/chat/completions`, { method: 'POST', body })).text();
    }
  });
  await Promise.all(clients);
  await chat.stop();
}

async function measure(soaked: Soaked): Promise<Row[]> {
  const { chat, notifier } = soaked;
  const file = path.join(import.meta.dirname, `../../../.tools/chaos/soak.jsonl`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  process.once('SIGTERM', stop).once('SIGINT', stop);
  const startedAt = performance.now();
  const until = AbortSignal.any([stopped.signal, AbortSignal.timeout(minutes * 60_000)]);
  const traffic = createTraffic(chat, notifier, random(1));
  const engine = chat.enginePid();
  const driving = drive(() => traffic.next(), until);
  const samples: Sample[] = [];
  while (!until.aborted) {
    const hours = (performance.now() - startedAt) / 3_600_000;
    const sample = { hours, ...(await takeSample(soaked)) };
    samples.push(sample);
    appendFileSync(file, `${JSON.stringify(sample)}\n`);
    await pause(sampleMillis, undefined, { signal: until }).catch(() => {});
  }
  await driving;
  const restarts = chat.enginePid() === engine ? 'no restart' : '**the engine restarted**';
  const length = `${((samples.at(-1)?.['hours'] ?? 0) * 60).toFixed(0)} minutes, ${samples.length} samples, ${restarts}`;
  return [{ cells: [traffic.summary(), length, '', ''], verdict: 'noted' }, ...evaluate(samples)];
}

async function drive(next: () => Promise<void>, until: AbortSignal): Promise<void> {
  while (!until.aborted) await next();
}

async function takeSample({ chat, notifier, folder }: Soaked): Promise<Sample> {
  const [chatMetrics, notifierMetrics] = await Promise.all([
    scrape(chat.url),
    scrape(notifier.url),
  ]);
  const api = readPid(chat.process.pid!);
  const engine = readPid(chat.enginePid());
  const own = readPid(notifier.process.pid!);
  return {
    'chat service: RSS bytes': api.rssBytes,
    'chat service: heap bytes': sumOf(chatMetrics, 'v8js_memory_heap_used_bytes'),
    'chat service: descriptors': api.descriptors,
    'chat service: series': chatMetrics.size,
    'chat service: event loop delay p50 seconds': sumOf(
      chatMetrics,
      'nodejs_eventloop_delay_p50_seconds',
    ),
    'chat service: event loop delay p99 seconds': sumOf(
      chatMetrics,
      'nodejs_eventloop_delay_p99_seconds',
    ),
    'engine: RSS bytes': engine.rssBytes,
    'engine: RSS without files bytes': engine.anonymousBytes,
    'engine: descriptors': engine.descriptors,
    'engine: files in memory': engine.memoryFiles,
    'engine: files in memory bytes': engine.memoryFileBytes,
    'notifier: RSS bytes': own.rssBytes,
    'notifier: heap bytes': sumOf(notifierMetrics, 'v8js_memory_heap_used_bytes'),
    'notifier: descriptors': own.descriptors,
    'notifier: series': notifierMetrics.size,
    'notifier: event loop delay p99 seconds': sumOf(
      notifierMetrics,
      'nodejs_eventloop_delay_p99_seconds',
    ),
    'traces.db bytes': databaseBytes(path.join(folder, 'traces.db')),
    'notifier.db bytes': databaseBytes(path.join(folder, 'notifier.db')),
  };
}

export function evaluate(samples: readonly Sample[]): Row[] {
  const from = (samples.at(-1)?.['hours'] ?? 0) * warmUpShare;
  const used = samples.filter((sample) => sample['hours']! >= from);
  const names = Object.keys(samples[0] ?? {}).filter((name) => name !== 'hours');
  if (used.length < 3) return [note('too few samples', String(used.length))];
  return names.map((name): Row => {
    const times = used.map((sample) => sample['hours']!);
    const fit = fitSlope(
      times,
      used.map((sample) => sample[name]!),
    );
    const [, unit, divisor] = units.find(([pattern]) => pattern.test(name))!;
    const show = (value: number): string =>
      `${Number((value / divisor).toPrecision(3))} ${unit}`.trim();
    const isFlat = fit.slope <= Math.max(2 * fit.error, flatShare * fit.mean);
    const label = name.replace(/ (?:bytes|seconds)$/, '');
    return {
      cells: [label, show(fit.mean), show(fit.slope), `± ${show(2 * fit.error)}`],
      verdict: isFlat ? 'holds' : 'missed',
    };
  });
}
