/**
 * The engine as the service sees it: forks the engine process, brings it back when it dies, and keeps admission and the
 * queue on this side, so that what waits survives an engine.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { epochMillis } from '../clock.ts';
import { ChatError } from '../errors.ts';
import type {
  Command,
  Engine,
  EngineFacts,
  EngineOptions,
  EngineStatus,
  Fact,
  GenerationRequest,
  Report,
} from './engine.ts';
import { createInboxes, type Inbox } from './inboxes.ts';
import { createQueue } from './queue.ts';

export interface HostOptions extends EngineOptions {
  queueLimit: number;
  queueTimeoutSeconds: number;
  log: { info(facts: object, message: string): void; error(facts: object, message: string): void };
  onReady?: (facts: EngineFacts) => void;
}

const firstRestartMillis = 250;
const longestRestartMillis = 10_000;
/** After this long without a crash the next restart is quick again. */
const soundSeconds = 60;
/** The engine says every second that it is alive; silent for this long it is taken for hung and killed. */
const silenceMillis = 30_000;

export function createHost(options: HostOptions): Engine {
  const queue = createQueue({
    limit: options.queueLimit,
    timeoutSeconds: options.queueTimeoutSeconds,
  });
  const inboxes = createInboxes();
  let status: EngineStatus = { state: 'loading', pid: undefined };
  let child: ChildProcess;
  let contextTokens = 0;
  let crashes = 0;
  let silence: NodeJS.Timeout | undefined;
  let restart: NodeJS.Timeout | undefined;
  let nextId = 1;

  function startChild(): void {
    const startedAt = epochMillis();
    child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
      // Not inherited: the engine process makes no telemetry of its own.
      execArgv: [],
      serialization: 'advanced',
      env: {
        ...process.env,
        // Decoding runs on libuv's pool: one thread is almost twice as fast as the default four.
        UV_THREADPOOL_SIZE: '1',
        LLAMASCOPE_ENGINE: JSON.stringify({
          modelPath: options.modelPath,
          threads: options.threads,
          sequences: options.sequences,
          contextTokens: options.contextTokens,
        } satisfies EngineOptions),
      },
    });
    const started = child;
    status = { ...status, pid: started.pid } as EngineStatus;
    started.on('message', (report: Report) => receive(report));
    // A message to a process that is just dying; its exit event follows and says more.
    started.on('error', () => {});
    started.on('exit', (code, signal) => {
      if (epochMillis() - startedAt > soundSeconds * 1000) crashes = 0;
      onExit(signal ?? `exit code ${code}`);
    });
  }

  function onExit(lastExit: string): void {
    clearTimeout(silence);
    queue.setSlots(0);
    contextTokens = 0;
    const stopping = status.state === 'stopped';
    inboxes.failAll(
      new ChatError(
        'engine_exit',
        `The engine process ended (${lastExit}). Try again in a few seconds.`,
        {
          retryAfterSeconds: 2,
        },
      ),
    );
    if (stopping) return;
    status = { state: 'restarting', pid: undefined, lastExit };
    const delay = Math.min(firstRestartMillis * 2 ** crashes, longestRestartMillis);
    crashes += 1;
    options.log.error({ last_exit: lastExit, restart_in_ms: delay }, 'the engine process ended');
    restart = setTimeout(startChild, delay);
  }

  function receive(report: Report): void {
    watchSilence();
    switch (report.type) {
      case 'ready':
        status = { state: 'ready', pid: child.pid!, facts: report.facts };
        queue.setSlots(report.facts.sequences);
        options.log.info({ ...report.facts, pid: child.pid }, 'the engine is ready');
        options.onReady?.(report.facts);
        return;
      case 'alive':
        contextTokens = report.contextTokens;
        return;
      case 'facts':
        contextTokens = report.contextTokens;
        for (const { id, ...fact } of report.facts) inboxes.deliver(id, fact);
        return;
      case 'error':
        inboxes.fail(report.id, new ChatError(report.code, report.message));
    }
  }

  function watchSilence(): void {
    clearTimeout(silence);
    silence = setTimeout(() => {
      options.log.error(
        { silence_ms: silenceMillis },
        'the engine process is silent and is killed',
      );
      child.kill('SIGKILL');
    }, silenceMillis);
    silence.unref();
  }

  function send(command: Command): void {
    if (child.connected) child.send(command);
  }

  function facts(): EngineFacts {
    if (status.state === 'ready') return status.facts;
    throw new ChatError('not_ready', 'The model is being loaded. Try again in a few seconds.', {
      retryAfterSeconds: 5,
    });
  }

  async function* generate(
    request: GenerationRequest,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<Fact, void, void> {
    signal.throwIfAborted();
    const { contextTokens: limit } = facts();
    const id = nextId++;
    const inbox = inboxes.open(id, signal);
    let release: (() => void) | undefined;
    try {
      send({ type: 'tokenize', id, prompt: request.prompt });
      const counted = await inbox.next();
      if (counted.type === 'tokenized') checkRoom(counted.inputTokens, request, limit);
      yield counted;
      let position = 0;
      const entered = queue.enter({ signal, onWait: (at) => (position = at) });
      // Its rejection is awaited below; a consumer that leaves at the yield must not make it an unhandled one.
      entered.catch(() => {});
      yield { type: 'queued', at: epochMillis(), position };
      release = await entered;
      facts();
      inbox.reopen();
      send({ type: 'generate', id, request });
      yield* followToEnd(inbox);
    } finally {
      inbox.close();
      send({ type: 'cancel', id });
      release?.();
    }
  }

  startChild();
  return {
    status: () => status,
    contextTokensInUse: () => contextTokens,
    pending: () => queue.running() + queue.waiting(),
    generate,
    async stop() {
      clearTimeout(restart);
      clearTimeout(silence);
      status = { state: 'stopped', pid: undefined };
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function* followToEnd(inbox: Inbox): AsyncGenerator<Fact, void, void> {
  for (;;) {
    const fact = await inbox.next();
    yield fact;
    if (fact.type === 'ended') return;
  }
}

/** Past the context's end llama.cpp would drop the first tokens in silence, so it is counted before queueing. */
function checkRoom(inputTokens: number, request: GenerationRequest, limit: number): void {
  const wanted = request.sampling.maxTokens ?? 1;
  if (inputTokens + wanted < limit) return;
  throw new ChatError(
    'context_overflow',
    `This model holds fewer than ${limit} tokens a conversation: the prompt has ${inputTokens} and ${wanted} more ` +
      `were asked for. Shorten the messages, or ask for fewer with max_tokens.`,
    { param: request.sampling.maxTokens === undefined ? 'messages' : 'max_tokens' },
  );
}
