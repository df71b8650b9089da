/**
 * Forks the engine process, watches over it and brings it back when it dies or hangs. Used by the host, which knows what
 * the engine is asked.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { epochMillis } from '../../../otel/clock.ts';
import { ChatError } from '../../errors.ts';
import type { Command, EngineFacts, EngineOptions, EngineStatus, Report } from '../engine.ts';
import { createWatchdog } from './watchdog.ts';

export interface EngineProcessOptions extends EngineOptions {
  /** Silent for this long, or this long in one step, and the engine is taken for hung and killed. */
  hangSeconds?: number;
  log: { info(facts: object, message: string): void; error(facts: object, message: string): void };
  onReport: (report: Report) => void;
  onExit: (error: ChatError) => void;
}

export interface EngineProcess {
  status(): EngineStatus;
  /** @throws ChatError `not_ready` */
  facts(): EngineFacts;
  /** To a process that is gone it is lost: `onExit` tells. */
  send(command: Command): void;
  /** It has finished an answer: should it die now, it comes back quickly. */
  proven(): void;
  stop(): Promise<void>;
}

const firstRestartMillis = 250;
const longestRestartMillis = 10_000;

export function createEngineProcess(options: EngineProcessOptions): EngineProcess {
  const { hangSeconds = 30, log } = options;
  let status: EngineStatus = { state: 'loading', pid: undefined, restarts: 0 };
  let child: ChildProcess | undefined;
  /** Since the last answer that was finished. */
  let crashes = 0;
  let loadSeconds: number | undefined;
  let restart: NodeJS.Timeout | undefined;

  function start(): void {
    const startedAt = epochMillis();
    const started = fork(fileURLToPath(new URL('../worker/worker.ts', import.meta.url)), {
      // Not inherited: the engine process makes no telemetry of its own.
      execArgv: [],
      serialization: 'advanced',
      env: environment(options),
    });
    child = started;
    status = { ...status, pid: started.pid } as EngineStatus;
    const watchdog = createWatchdog({
      hangSeconds,
      onHang() {
        log.error({ pid: started.pid }, 'the engine process hangs and is killed');
        started.kill('SIGKILL');
      },
    });
    let gone = false;
    const end = (lastExit: string): void => {
      if (gone) return;
      gone = true;
      watchdog.stop();
      onExit(lastExit);
    };
    started.on('message', (report: Report) => {
      // What a dead process said last may arrive after the news of its death.
      if (gone) return;
      if (report.type === 'ready') {
        loadSeconds = (epochMillis() - startedAt) / 1000;
        onReady(started, report.facts);
      }
      watchdog.heard(report);
      options.onReport(report);
    });
    // One that could not be started has no exit; of others it is a message to a process that is just dying.
    started.on('error', (error) => {
      if (started.pid === undefined) end(error.message);
    });
    started.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
  }

  function onReady(started: ChildProcess, facts: EngineFacts): void {
    const { restarts } = status;
    status = { state: 'ready', pid: started.pid!, facts, restarts };
    log.info({ ...facts, pid: started.pid, restarts }, 'the engine is ready');
  }

  function onExit(lastExit: string): void {
    const { state, restarts } = status;
    const delay = Math.min(firstRestartMillis * 2 ** crashes, longestRestartMillis);
    if (state !== 'stopped') {
      status = { state: 'restarting', pid: undefined, lastExit, restarts: restarts + 1 };
      crashes += 1;
      log.error(
        { last_exit: lastExit, restart_in_ms: delay, restarts: restarts + 1 },
        'the engine process ended',
      );
      restart = setTimeout(start, delay);
    }
    const message = `The engine process ended (${lastExit}). Try again in a few seconds.`;
    options.onExit(
      new ChatError('engine_exit', message, { retryAfterSeconds: backAfterSeconds() }),
    );
  }

  function backAfterSeconds(): number {
    return Math.ceil(loadSeconds ?? 5) + 1;
  }

  start();
  return {
    status: () => status,
    facts() {
      if (status.state === 'ready') return status.facts;
      throw new ChatError('not_ready', 'The model is being loaded. Try again in a few seconds.', {
        retryAfterSeconds: backAfterSeconds(),
      });
    },
    send(command) {
      if (child?.connected === true) child.send(command);
    },
    proven() {
      crashes = 0;
    },
    async stop() {
      clearTimeout(restart);
      status = { state: 'stopped', pid: undefined, restarts: status.restarts };
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child!.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function environment(options: EngineOptions): NodeJS.ProcessEnv {
  const { modelPath, threads, sequences, contextTokens, embeddings } = options;
  const engine: EngineOptions = { modelPath, threads, sequences, contextTokens, embeddings };
  return {
    ...process.env,
    // Decoding runs on libuv's pool: one thread is almost twice as fast as the default four.
    UV_THREADPOOL_SIZE: '1',
    LLAMASCOPE_ENGINE: JSON.stringify(engine),
  };
}
