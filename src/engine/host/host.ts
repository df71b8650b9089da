/**
 * The service's side of the engine. Admission and the queue are in the service's process, so that waiting requests are kept
 * when the engine process exits.
 */
import { addAbortListener } from 'node:events';
import { monotonicMillis } from '../../../otel/clock.ts';
import { ChatError } from '../../errors.ts';
import type {
  Batch,
  Command,
  Embedding,
  Engine,
  EngineFacts,
  Fact,
  GenerateOptions,
  GenerationRequest,
  PrefixReport,
  Report,
  Tokenized,
} from '../engine.ts';
import {
  createEngineProcess,
  type EngineProcess,
  type EngineProcessOptions,
} from './engine-process.ts';
import { checkRoom, createQueue, enterQueue, setSlots, type Queue } from './queue.ts';
import { createWaitTeller } from './wait-teller.ts';

export interface HostOptions extends Omit<EngineProcessOptions, 'onReport' | 'onExit'> {
  queueLimit: number;
  queueTimeoutSeconds: number;
  onReady?: (facts: EngineFacts) => void;
  /** Called for every decode of llama.cpp. */
  onBatch?: (batch: Batch) => void;
  onPrefixes?: (report: PrefixReport) => void;
}

interface Host {
  readonly options: HostOptions;
  readonly queue: Queue;
  readonly engine: EngineProcess;
  readonly waits: ReturnType<typeof createWaitTeller>;
  readonly jobs: Map<number, Job>;
  readonly calls: Map<number, Call>;
  contextTokens: number;
  nextId: number;
}

/** A generation that has not ended. */
interface Job {
  readonly id: number;
  readonly client: string;
  readonly request: GenerationRequest;
  /** When the engine process exits, waiting jobs are kept. */
  phase: 'preparing' | 'waiting' | 'running';
  readonly onFact: (fact: Fact) => void;
  resolve(): void;
  reject(error: unknown): void;
  /** Aborted when the job ends for any reason, so that it leaves the queue. */
  readonly ended: AbortController;
  releaseSlot: () => void;
}

/** A request that is answered at once, without the queue. */
interface Call {
  type: 'tokenize' | 'embed';
  resolve(result: Tokenized | Embedding): void;
  reject(error: unknown): void;
}

/** Tests replace `startEngine` to record the commands. */
export function createHost(options: HostOptions, startEngine = createEngineProcess): Engine {
  const queue = createQueue({
    limit: options.queueLimit,
    timeoutSeconds: options.queueTimeoutSeconds,
  });
  const host: Host = {
    options,
    queue,
    waits: createWaitTeller({ queue, tell: (id, fact) => receiveFact(host, id, fact) }),
    engine: startEngine({
      ...options,
      onReport: (report) => receive(host, report),
      onExit: (error) => engineEnded(host, error),
    }),
    jobs: new Map(),
    calls: new Map(),
    contextTokens: 0,
    nextId: 1,
  };
  return {
    status: () => host.engine.status(),
    contextTokensInUse: () => host.contextTokens,
    pending: () => host.jobs.size + host.calls.size,
    waiting: () => [...host.jobs.values()].filter(({ phase }) => phase !== 'running').length,
    generate: (request, how) => generate(host, request, how),
    tokenize: (prompt, { signal }) =>
      call(host, { type: 'tokenize', prompt }, signal) as Promise<Tokenized>,
    embed: (input, { signal }) =>
      call(host, { type: 'embed', input }, signal) as Promise<Embedding>,
    async stop() {
      const message = 'The service is shutting down.';
      const facts = { retryAfterSeconds: 5, zh: '服务正在关闭。' };
      endAll(host, new ChatError('shutdown', message, facts));
      await host.engine.stop();
    },
  };
}

function receive(host: Host, report: Report): void {
  switch (report.type) {
    case 'ready':
      // After a restart: the new engine process has not prepared the jobs that wait.
      for (const { id, client, request } of host.jobs.values()) {
        host.engine.send({ type: 'prepare', id, client, request });
      }
      setSlots(host.queue, report.facts.sequences);
      host.options.onReady?.(report.facts);
      return;
    case 'alive':
      host.contextTokens = report.contextTokens;
      return;
    case 'facts':
      host.contextTokens = report.contextTokens;
      for (const batch of report.batches ?? []) host.options.onBatch?.(batch);
      if (report.prefixes !== undefined) host.options.onPrefixes?.(report.prefixes);
      for (const { id, ...fact } of report.facts) receiveFact(host, id, fact);
      return;
    case 'result':
      host.calls.get(report.id)?.resolve(report.result);
      return;
    case 'error': {
      const { id, code, message, param, recorded, zh } = report;
      const facts = {
        recorded,
        ...(param !== undefined && { param }),
        ...(zh !== undefined && { zh }),
      };
      const error = new ChatError(code, message, facts);
      host.calls.get(id)?.reject(error);
      endJob(host, id, error);
    }
  }
}

function receiveFact(host: Host, id: number, fact: Fact): void {
  const job = host.jobs.get(id);
  if (job === undefined) return;
  // A job that was prepared again after a restart is in the queue already.
  if (fact.type === 'tokenized' && job.phase !== 'preparing') return;
  host.waits.heard(id, fact);
  tell(host, job, fact);
  if (fact.type === 'tokenized') enter(host, job, fact.inputTokens);
  if (fact.type === 'ended') {
    host.engine.resetBackoff();
    endJob(host, id);
  }
}

function tell(host: Host, job: Job, fact: Fact): void {
  try {
    job.onFact(fact);
  } catch (error) {
    endJob(host, job.id, error);
  }
}

function enter(host: Host, job: Job, promptTokens: number): void {
  job.phase = 'waiting';
  const { id, client, ended } = job;
  const room = host.engine.facts().contextTokens - promptTokens;
  const { maxTokens = room } = job.request.sampling;
  host.waits.entered(id, { promptTokens, maxTokens });
  const onWait = (position: number): void =>
    tell(host, job, { type: 'queued', at: monotonicMillis(), position });
  enterQueue(host.queue, { id, client, signal: ended.signal, onWait }).then(
    (release) => {
      if (ended.signal.aborted) return release();
      job.phase = 'running';
      job.releaseSlot = release;
      host.engine.send({ type: 'start', id });
    },
    (error: unknown) => endJob(host, id, error),
  );
}

/** A job that ends with an error is also cancelled in the engine process. */
function endJob(host: Host, id: number, error?: unknown): void {
  const job = host.jobs.get(id);
  if (job === undefined) return;
  host.jobs.delete(id);
  host.waits.left(id);
  if (error === undefined) {
    job.resolve();
  } else {
    host.engine.send({ type: 'cancel', id });
    job.reject(error);
  }
  job.ended.abort(error);
  job.releaseSlot();
}

function engineEnded(host: Host, error: ChatError): void {
  setSlots(host.queue, 0);
  host.waits.forget();
  host.contextTokens = 0;
  host.options.onPrefixes?.({ copies: [], evictions: 0, cacheBytes: 0 });
  // Waiting requests are kept across a restart, unless the model cannot be loaded.
  endAll(host, error, host.engine.status().state === 'failed' ? {} : { except: 'waiting' });
}

function endAll(host: Host, error: ChatError, { except }: { except?: Job['phase'] } = {}): void {
  for (const job of host.jobs.values()) if (job.phase !== except) endJob(host, job.id, error);
  for (const each of host.calls.values()) each.reject(error);
}

async function generate(
  host: Host,
  request: GenerationRequest,
  { signal, client, onFact }: GenerateOptions,
): Promise<void> {
  signal.throwIfAborted();
  checkLimits(host, client);
  const id = host.nextId++;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ended = new AbortController();
  const job = { id, client, request, onFact, resolve, reject, ended, releaseSlot() {} };
  host.jobs.set(id, { ...job, phase: 'preparing' });
  using _ = addAbortListener(signal, () => endJob(host, id, signal.reason));
  host.engine.send({ type: 'prepare', id, client, request });
  await promise;
}

/** Limits the jobs that are being tokenized, which the queue does not count yet, to the number that may wait or run. */
function checkLimits(host: Host, client: string): void {
  const { sequences } = host.engine.facts();
  checkRoom(host.queue, client);
  const preparing = [...host.jobs.values()].filter(({ phase }) => phase === 'preparing').length;
  checkBelow(preparing, host.options.queueLimit + sequences);
}

/** @throws ChatError `queue_full` */
function checkBelow(count: number, limit: number): void {
  if (count < limit) return;
  const message = `${limit} requests are being tokenized or embedded, which is the limit (CHAT_QUEUE_LIMIT). Try again later.`;
  throw new ChatError('queue_full', message, { retryAfterSeconds: 1 });
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

async function call(
  host: Host,
  command: WithoutId<Command & Pick<Call, 'type'>>,
  signal: AbortSignal,
): Promise<Tokenized | Embedding> {
  signal.throwIfAborted();
  host.engine.facts();
  const running = [...host.calls.values()].filter(({ type }) => type === command.type).length;
  checkBelow(running, host.options.queueLimit + 1);
  const id = host.nextId++;
  const answer = Promise.withResolvers<Tokenized | Embedding>();
  host.calls.set(id, { type: command.type, ...answer });
  using _ = addAbortListener(signal, () => answer.reject(signal.reason));
  try {
    host.engine.send({ ...command, id });
    return await answer.promise;
  } finally {
    host.calls.delete(id);
    if (signal.aborted) host.engine.send({ type: 'cancel', id });
  }
}
