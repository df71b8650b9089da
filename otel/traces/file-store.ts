/**
 * Keeps recent traces in a SQLite file, written by a worker thread in batches. A broken or full disk costs traces, never the
 * program: lost spans are counted, the first problem is logged, and without a usable file the traces are kept in memory.
 */
import { TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { isFulfilledWithin } from '../clock.ts';
import type { Command, Report, WorkerData } from './file-worker.ts';
import { createMemoryStore } from './memory-store.ts';
import { toStored } from './stored-span.ts';
import type { TraceKeeper, TraceLimits, TracePage } from './traces.ts';

export interface FileStoreOptions {
  path: string;
  limits: TraceLimits;
  /** Bounds of the traces that are kept in memory when the file cannot be used. */
  inMemory: TraceLimits;
  /** Called once with the first problem. */
  onProblem: (sentence: string) => void;
}

/** A span waits at most this long before it is sent to the worker, which writes it at once. */
const flushMillis = 500;
/** This many spans are sent without waiting. Their JSON takes about a millisecond. */
const batchSpans = 256;
/** Batches that the worker has not written yet. Later spans wait here, up to `waitingSpans`, and are then lost. */
const unwrittenBatches = 4;
const waitingSpans = 4096;
/** Generous, because a busy machine starts the worker late. */
const answerMillis = 20_000;

type Ask =
  Extract<Command, { id: number }> extends infer Each
    ? Each extends { id: number }
      ? Omit<Each, 'id'>
      : never
    : never;

interface FileStore {
  readonly options: FileStoreOptions;
  readonly worker: Worker;
  /** Resolves when the file is open, or the spans are kept in memory. */
  readonly opened: PromiseWithResolvers<void>;
  isOpen: boolean;
  waiting: ReadableSpan[];
  /** Number of spans in each batch that the worker has not written yet. */
  unwritten: number[];
  timer: NodeJS.Timeout | undefined;
  lost: number;
  readonly asked: Map<number, PromiseWithResolvers<unknown>>;
  nextId: number;
  hasSaid: boolean;
  /** Set when the worker has ended: all spans go there. */
  memory: TraceKeeper | undefined;
  isClosed: boolean;
}

export function createFileStore(options: FileStoreOptions): TraceKeeper {
  const store: FileStore = {
    options,
    worker: startWorker(options),
    opened: Promise.withResolvers(),
    isOpen: false,
    waiting: [],
    unwritten: [],
    timer: undefined,
    lost: 0,
    asked: new Map(),
    nextId: 0,
    hasSaid: false,
    memory: undefined,
    isClosed: false,
  };
  store.worker.on('message', (report: Report) => receive(store, report));
  store.worker.on('error', (error) => useMemory(store, error.message));
  return {
    store: {
      list: async (query = {}) => {
        await opened(store);
        if (store.memory !== undefined) return store.memory.store.list(query);
        return (await ask(store, { type: 'list', query })) as TracePage;
      },
      get: async (traceId) => {
        await opened(store);
        if (store.memory !== undefined) return store.memory.store.get(traceId);
        return (await ask(store, { type: 'get', traceId })) as object | undefined;
      },
    },
    processor: {
      onStart() {},
      onEnd: (span) => onEnd(store, span),
      forceFlush: () => Promise.resolve(flush(store)),
      shutdown: () => close(store),
    },
    lost: () => store.lost,
  };
}

function startWorker({ path: file, limits }: FileStoreOptions): Worker {
  // `file-worker.js` where this folder is compiled.
  const url = new URL(`./file-worker${path.extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, {
    name: 'traces',
    workerData: { path: file, limits } satisfies WorkerData,
    // The worker does not load the telemetry (`--import`, NODE_OPTIONS), and `node:sqlite` is experimental in Node 22 and 24.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: {},
  });
  worker.unref();
  return worker;
}

function onEnd(store: FileStore, span: ReadableSpan): void {
  if (store.memory !== undefined) return store.memory.processor.onEnd(span);
  if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
  if (store.waiting.length >= waitingSpans) {
    lose(store, 1, 'the disk is too slow');
    return;
  }
  store.waiting.push(span);
  flushSoon(store);
}

function flushSoon(store: FileStore): void {
  if (store.waiting.length >= batchSpans) flush(store);
  else if (store.waiting.length > 0) {
    store.timer ??= setTimeout(flush, flushMillis, store).unref();
  }
}

function flush(store: FileStore): void {
  clearTimeout(store.timer);
  store.timer = undefined;
  if (!store.isOpen || store.unwritten.length >= unwrittenBatches) return;
  const spans = store.waiting.splice(0, batchSpans);
  const [first] = spans;
  if (first === undefined) return;
  store.unwritten.push(spans.length);
  const ended = [...Map.groupBy(spans, (span) => span.spanContext().traceId)].map(
    ([traceId, spans]) => ({ traceId, json: JSON.stringify(spans.map(toStored)) }),
  );
  send(store, { type: 'add', ended, resource: first.resource.attributes });
}

function send(store: FileStore, command: Command): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
  store.worker.postMessage(command);
}

function receive(store: FileStore, report: Report): void {
  switch (report.type) {
    case 'opened':
      store.isOpen = true;
      store.opened.resolve();
      flush(store);
      return;
    case 'added':
      lose(store, report.problem === undefined ? 0 : store.unwritten[0]!, report.problem);
      store.unwritten.shift();
      flushSoon(store);
      return;
    case 'answer':
      store.asked.get(report.id)?.resolve(report.value);
      return;
    case 'failed':
      store.asked.get(report.id)?.reject(new Error(report.problem));
  }
}

function lose(store: FileStore, count: number, problem = ''): void {
  if (count === 0) return;
  store.lost += count;
  say(store, `traces are lost, because ${store.options.path} cannot be written: ${problem}`);
}

function say(store: FileStore, sentence: string): void {
  if (!store.hasSaid) store.options.onProblem(sentence);
  store.hasSaid = true;
}

/** The worker ends when it cannot open the file, or its Node has no `node:sqlite`. */
function useMemory(store: FileStore, problem: string): void {
  const { path: file, inMemory } = store.options;
  say(
    store,
    `traces are kept in memory until the next start, because ${file} cannot be used: ${problem}`,
  );
  const memory = createMemoryStore(inMemory);
  store.lost += store.unwritten.splice(0).reduce((sum, count) => sum + count, 0);
  for (const span of store.waiting.splice(0)) memory.processor.onEnd(span);
  store.memory = memory;
  store.isOpen = false;
  store.opened.resolve();
  for (const { reject } of store.asked.values()) reject(new Error(problem));
}

async function opened(store: FileStore): Promise<void> {
  if (await isFulfilledWithin(answerMillis, store.opened.promise)) return;
  throw new Error('The file of traces was not opened in time.');
}

/** Spans that wait are written first, so that an answer has every span that ended before the question. */
async function ask(store: FileStore, question: Ask): Promise<unknown> {
  while (store.waiting.length > 0 && store.unwritten.length < unwrittenBatches) flush(store);
  const id = store.nextId++;
  const answer = Promise.withResolvers<unknown>();
  answer.promise.catch(() => {});
  store.asked.set(id, answer);
  try {
    send(store, { ...question, id });
    if (await isFulfilledWithin(answerMillis, answer.promise)) return await answer.promise;
    throw new Error('The file of traces did not answer in time.');
  } finally {
    store.asked.delete(id);
  }
}

async function close(store: FileStore): Promise<void> {
  if (store.isClosed) return;
  store.isClosed = true;
  await opened(store);
  if (store.memory !== undefined) return;
  // Each answer frees batches, so that what still waits is written.
  while (store.waiting.length > 0) await ask(store, { type: 'get', traceId: '' });
  await ask(store, { type: 'close' });
  await store.worker.terminate();
}
