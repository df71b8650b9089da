/**
 * Forks the engine process, kills it when it hangs, and starts it again when it ends. Used by host.ts, which decides what
 * to send to it.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ChatError } from '../../errors.ts';
import { endWithParent } from '../../kit/parent-death.ts';
import type { Command, EngineFacts, EngineOptions, EngineStatus, Report } from '../engine.ts';
import { createEngineOutput } from './engine-output.ts';
import { createWatchdog } from './watchdog.ts';

export interface EngineProcessOptions extends EngineOptions {
  /** An engine that reports nothing for this long, or is in one step for this long, is killed. */
  hangSeconds?: number;
  log: { info(facts: object, message: string): void; error(facts: object, message: string): void };
  onReport: (report: Report) => void;
  /** Called with the threads of a batch after each load, and when they change. */
  onThreads?: (threads: number) => void;
  /** Called each time the process ends, with the error for its running requests. */
  onExit: (error: ChatError) => void;
}

export type EngineProcess = ReturnType<typeof createEngineProcess>;

const firstRestartMillis = 250;
const maxRestartMillis = 10_000;
/** A load that fails this often in a row counts as impossible. The first failure may have been a lack of memory. */
const maxFailedLoads = 3;
/** V8's young generation grows to 100 MB otherwise, and the engine process gains nothing by that. */
const engineFlags = ['--max-semi-space-size=2'];
/** Causes in the file itself: the first failure counts as impossible. */
const damagedFile = /corrupted or incomplete|invalid gguf magic/i;
/** Assumed for Retry-After before the first load has ended. */
const assumedLoadSeconds = 5;

export function createEngineProcess(options: EngineProcessOptions) {
  const engine = createSupervised(options);
  start(engine);
  return {
    status: () => engine.status,
    /** @throws ChatError `not_ready` with the state while the engine is not ready. */
    facts(): EngineFacts {
      if (engine.status.state === 'ready') return engine.status.facts;
      throw notReady(engine);
    },
    /** A command to a process that has ended is lost; `onExit` reports its end. */
    send(command: Command): void {
      if (engine.child?.connected === true) engine.child.send(command);
    },
    /** Call it when the engine has completed an answer. */
    resetBackoff(): void {
      engine.crashes = 0;
    },
    stop: () => stop(engine),
  };
}

type Supervised = ReturnType<typeof createSupervised>;

/** The state of the engine process over its restarts. */
function createSupervised(options: EngineProcessOptions) {
  return {
    options,
    status: { state: 'loading', pid: undefined, restarts: 0 } as EngineStatus,
    child: undefined as ChildProcess | undefined,
    restartTimer: undefined as NodeJS.Timeout | undefined,
    /** Exits since the last completed answer. */
    crashes: 0,
    /** Processes that ended before their model was loaded, since the last load. */
    failedLoads: 0,
    /** Duration of the last load. */
    loadSeconds: assumedLoadSeconds,
  };
}

function start(engine: Supervised): void {
  const { hangSeconds = 30, log, onReport } = engine.options;
  const [program, ...args] = [...endWithParent('KILL'), process.execPath, ...engineFlags];
  const child = fork(fileURLToPath(new URL('../worker/entry.ts', import.meta.url)), {
    execPath: program,
    // The engine process does not load the telemetry (`--import ./otel/register.ts`).
    execArgv: args,
    stdio: ['inherit', 'inherit', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: engineEnvironment(process.env, engine.options),
  });
  engine.child = child;
  engine.status = { ...engine.status, pid: child.pid } as EngineStatus;
  const watchdog = createWatchdog({
    hangSeconds,
    onHang() {
      log.error({ pid: child.pid }, 'the engine process hangs and is killed');
      child.kill('SIGKILL');
    },
  });
  const output = createEngineOutput(engine.options.modelPath);
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => output.push(chunk));
  let isLoaded = false;
  let hasEnded = false;
  const end = (how: string): void => {
    if (hasEnded) return;
    hasEnded = true;
    watchdog.stop();
    const line = isLoaded ? output.abortLine() : output.loadFailure();
    onExit(engine, { how, line, isLoaded });
  };
  child.on('message', (report: Report) => {
    // Ignore reports that arrive after the end of their process.
    if (hasEnded) return;
    if (report.type === 'ready') {
      isLoaded = true;
      onReady(engine, child, report.facts);
    }
    if (report.type === 'alive') onAlive(engine, report.threads);
    watchdog.heard(report);
    onReport(report);
  });
  // A process that could not be started emits no `exit`. Other errors are failed sends to a process that is ending.
  child.on('error', (error) => {
    if (child.pid === undefined) end(error.message);
  });
  // `close` follows `exit` when stderr has been read to its end.
  child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
}

function onReady(engine: Supervised, { pid }: ChildProcess, facts: EngineFacts): void {
  const { restarts } = engine.status;
  engine.failedLoads = 0;
  engine.status = { state: 'ready', pid: pid!, facts, restarts };
  engine.loadSeconds = facts.loadSeconds;
  engine.options.log.info({ ...facts, pid, restarts }, 'the engine is ready');
  engine.options.onThreads?.(facts.threads);
}

function onAlive(engine: Supervised, threads: number): void {
  const { status, options } = engine;
  if (status.state !== 'ready' || status.facts.threads === threads) return;
  options.log.info({ threads, before: status.facts.threads }, 'the number of threads has changed');
  engine.status = { ...status, facts: { ...status.facts, threads } };
  options.onThreads?.(threads);
}

interface End {
  /** `SIGKILL` or `exit code 1`. */
  how: string;
  /** The line of stderr that explains it. */
  line: string | undefined;
  isLoaded: boolean;
}

function onExit(engine: Supervised, { how, line, isLoaded }: End): void {
  const { log } = engine.options;
  const lastExit = line === undefined ? how : `${how}: ${line}`;
  engine.failedLoads = isLoaded ? 0 : engine.failedLoads + 1;
  if (engine.status.state !== 'stopped') {
    const restarts = engine.status.restarts + 1;
    const delay = Math.min(firstRestartMillis * 2 ** engine.crashes, maxRestartMillis);
    const ended = { pid: undefined, lastExit, restarts };
    const isImpossible =
      engine.failedLoads >= maxFailedLoads || (!isLoaded && damagedFile.test(line ?? ''));
    engine.status = isImpossible
      ? { state: 'failed', ...ended, reason: line ?? how }
      : { state: 'restarting', ...ended };
    engine.crashes += 1;
    log.error({ last_exit: lastExit, restart_in_ms: delay, restarts }, 'the engine process ended');
    engine.restartTimer = setTimeout(() => start(engine), delay);
  }
  const message = `The engine process ended (${lastExit}). Try again in a few seconds.`;
  engine.options.onExit(
    engine.status.state === 'failed'
      ? notReady(engine)
      : new ChatError('engine_exit', message, {
          retryAfterSeconds: readyAfterSeconds(engine),
          zh: `推理引擎进程已退出（${lastExit}），请稍后重试。`,
        }),
  );
}

/** The error for requests in a state other than `ready`. */
function notReady(engine: Supervised): ChatError {
  const { status } = engine;
  if (status.state === 'failed') {
    const message = `The model cannot be loaded: ${status.reason}. Replace its file, or serve another model.`;
    return new ChatError('not_ready', message, {
      retryAfterSeconds: maxRestartMillis / 1000,
      zh: `模型无法加载：${status.reason}。请更换模型文件，或改用其他模型。`,
    });
  }
  const isRestarting = status.state === 'restarting';
  const [what, zh] = isRestarting
    ? ['The engine process is restarting', '推理引擎进程正在重启']
    : ['The model is being loaded', '模型正在加载'];
  return new ChatError('not_ready', `${what}. Try again in a few seconds.`, {
    retryAfterSeconds: readyAfterSeconds(engine),
    zh: `${zh}，请稍后重试。`,
  });
}

/** The load, and about one second for the start of the process. */
function readyAfterSeconds({ loadSeconds }: Supervised): number {
  return Math.ceil(loadSeconds) + 1;
}

async function stop(engine: Supervised): Promise<void> {
  const { child } = engine;
  clearTimeout(engine.restartTimer);
  engine.status = { state: 'stopped', pid: undefined, restarts: engine.status.restarts };
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

/** Variables that Node, the dynamic linker, node-llama-cpp and llama.cpp read. */
const passedOn =
  /^(?:PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|NODE_\w+|GGML_\w+|LLAMA_\w+)$/;
/** Secrets of other programs: NODE_AUTH_TOKEN belongs to npm, LLAMA_API_KEY to llama-server. */
const isSecret = /KEY|TOKEN|SECRET|PASSWORD/;

/** The environment without the service's own settings: the engine process needs no API key and no token. */
function engineEnvironment(env: NodeJS.ProcessEnv, options: EngineOptions): NodeJS.ProcessEnv {
  const { modelPath, threads, sequences, contextTokens, embeddings } = options;
  const { sharePrefix, cacheMegabytes } = options;
  const sizes = { threads, sequences, contextTokens, cacheMegabytes };
  const engine: EngineOptions = { modelPath, embeddings, sharePrefix, ...sizes };
  return {
    ...Object.fromEntries(
      Object.entries(env).filter(([name]) => passedOn.test(name) && !isSecret.test(name)),
    ),
    // llama.cpp decodes on libuv's pool: one thread is almost twice as fast as the default of four.
    UV_THREADPOOL_SIZE: '1',
    LLAMASCOPE_ENGINE: JSON.stringify(engine),
  };
}
