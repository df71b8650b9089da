/**
 * The engine as the service sees it. Admission and the queue are on this side of the engine process, so that what waits
 * survives an engine.
 */
import { epochMillis } from '../../../otel/clock.ts';
import { ChatError } from '../../errors.ts';
import { createEngineProcess, type EngineProcessOptions } from './engine-process.ts';
import type {
  Batch,
  Command,
  Embedding,
  Engine,
  EngineFacts,
  Fact,
  GenerationRequest,
  Report,
  Tokenized,
} from '../engine.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { createQueue } from './queue.ts';

export interface HostOptions extends Omit<EngineProcessOptions, 'onReport' | 'onExit'> {
  queueLimit: number;
  queueTimeoutSeconds: number;
  onReady?: (facts: EngineFacts) => void;
  /** What llama.cpp was given in one decode. */
  onBatch?: (batch: Batch) => void;
}

/** A generation that has not ended. */
interface Job {
  id: number;
  client: string;
  request: GenerationRequest;
  /** Only one that waits survives the death of the engine. */
  phase: 'preparing' | 'waiting' | 'running';
  inbox: Inbox<Fact>;
  /** Aborted at the end, whatever the end is: leaves the queue. */
  ended: AbortController;
  release: (() => void) | undefined;
}

/** A question that is answered at once: tokens of a text, or its vector. */
interface Call {
  type: 'tokenize' | 'embed';
  resolve(result: Tokenized | Embedding): void;
  reject(error: unknown): void;
}

export function createHost(options: HostOptions): Engine {
  const queue = createQueue({
    limit: options.queueLimit,
    timeoutSeconds: options.queueTimeoutSeconds,
  });
  const jobs = new Map<number, Job>();
  const calls = new Map<number, Call>();
  let contextTokens = 0;
  let nextId = 1;
  const engine = createEngineProcess({ ...options, onReport: receive, onExit: engineEnded });

  function receive(report: Report): void {
    switch (report.type) {
      case 'ready':
        queue.setSlots(report.facts.sequences);
        options.onReady?.(report.facts);
        return;
      case 'alive':
        contextTokens = report.contextTokens;
        return;
      case 'facts':
        contextTokens = report.contextTokens;
        for (const batch of report.batches ?? []) options.onBatch?.(batch);
        for (const { id, ...fact } of report.facts) accept(id, fact);
        return;
      case 'result':
        calls.get(report.id)?.resolve(report.result);
        return;
      case 'error': {
        const { id, code, message, param } = report;
        const error = new ChatError(code, message, param === undefined ? {} : { param });
        calls.get(id)?.reject(error);
        endJob(id, error);
      }
    }
  }

  /** Nothing here waits for whoever reads: a slow reader holds no sequence. */
  function accept(id: number, fact: Fact): void {
    const job = jobs.get(id);
    // An engine that came back counts again what waited.
    if (job === undefined || (fact.type === 'tokenized' && job.phase !== 'preparing')) return;
    job.inbox.push(fact);
    if (fact.type === 'tokenized') enterQueue(job);
    if (fact.type === 'ended') {
      engine.proven();
      endJob(id);
    }
  }

  function enterQueue(job: Job): void {
    job.phase = 'waiting';
    const { id, request, client } = job;
    const onWait = (position: number): void =>
      job.inbox.push({ type: 'queued', at: epochMillis(), position });
    queue.enter({ client, signal: job.ended.signal, onWait }).then(
      (release) => {
        if (job.ended.signal.aborted) return release();
        job.phase = 'running';
        job.release = release;
        engine.send({ type: 'generate', id, request });
      },
      (error: unknown) => endJob(id, error),
    );
  }

  /** With an error the engine is told to forget it too. */
  function endJob(id: number, error?: unknown): void {
    const job = jobs.get(id);
    if (job === undefined) return;
    jobs.delete(id);
    if (error !== undefined) {
      engine.send({ type: 'cancel', id });
      job.inbox.fail(error);
    }
    job.ended.abort(error);
    job.release?.();
  }

  function engineEnded(error: ChatError): void {
    queue.setSlots(0);
    contextTokens = 0;
    endAll(error, { except: 'waiting' });
  }

  function endAll(error: ChatError, { except }: { except?: Job['phase'] } = {}): void {
    for (const job of jobs.values()) if (job.phase !== except) endJob(job.id, error);
    for (const call of calls.values()) call.reject(error);
  }

  /** Counting costs work too: no more are counted at a time than may wait or run. */
  function checkRoom(client: string, sequences: number): void {
    queue.checkRoom(client);
    const preparing = [...jobs.values()].filter((job) => job.phase === 'preparing');
    const limit = options.queueLimit + sequences;
    if (preparing.length >= limit) throw tooMany(limit);
  }

  async function* generate(
    request: GenerationRequest,
    { signal, client }: { signal: AbortSignal; client: string },
  ): AsyncGenerator<Fact, void, void> {
    signal.throwIfAborted();
    checkRoom(client, engine.facts().sequences);
    const id = nextId++;
    const inbox = createInbox<Fact>();
    const ended = new AbortController();
    jobs.set(id, { id, client, request, phase: 'preparing', inbox, ended, release: undefined });
    const onAbort = (): void => endJob(id, signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      engine.send({ type: 'prepare', id, request });
      for (;;) {
        const fact = await inbox.next();
        yield fact;
        if (fact.type === 'ended') return;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      endJob(id, new ChatError('client_gone', 'Whoever read the answer left.'));
    }
  }

  async function call(command: WithoutId<Command & Pick<Call, 'type'>>, signal: AbortSignal) {
    signal.throwIfAborted();
    engine.facts();
    const running = [...calls.values()].filter(({ type }) => type === command.type);
    const limit = options.queueLimit + 1;
    if (running.length >= limit) throw tooMany(limit);
    const id = nextId++;
    const answer = Promise.withResolvers<Tokenized | Embedding>();
    calls.set(id, { type: command.type, ...answer });
    const onAbort = (): void => answer.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      engine.send({ ...command, id });
      return await answer.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      calls.delete(id);
      if (signal.aborted) engine.send({ type: 'cancel', id });
    }
  }

  return {
    status: () => engine.status(),
    contextTokensInUse: () => contextTokens,
    pending: () => jobs.size + calls.size,
    generate,
    tokenize: (prompt, { signal }) =>
      call({ type: 'tokenize', prompt }, signal) as Promise<Tokenized>,
    embed: (text, { signal }) => call({ type: 'embed', text }, signal) as Promise<Embedding>,
    async stop() {
      endAll(new ChatError('shutdown', 'The service is shutting down.', { retryAfterSeconds: 5 }));
      await engine.stop();
    },
  };
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

function tooMany(limit: number): ChatError {
  return new ChatError(
    'queue_full',
    `${limit} requests are being looked at already, which is the limit (CHAT_QUEUE_LIMIT). Try again later.`,
    { retryAfterSeconds: 1 },
  );
}
