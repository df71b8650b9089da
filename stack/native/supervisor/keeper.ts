/**
 * Keeps one child running: starts it, asks after its health, starts it again with a growing pause when it dies or hangs,
 * and stops it in order. Used by the supervisor, one for each child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { logFile, rotateLog } from './log-file.ts';
import type { ChildDefinition, SupervisionLimits } from './plan.ts';
import { markOf, signal } from './processes.ts';
import { pidFile, type ChildState } from './state.ts';

export interface Keeper {
  state(): ChildState;
  /** SIGTERM, and SIGKILL to the whole process group after the grace; resolves when the child is gone. */
  stop(): Promise<void>;
}

export interface KeeperOptions {
  child: ChildDefinition;
  root: string;
  runDir: string;
  limits: SupervisionLimits;
  /** Called after every change of `state()`. */
  onChange: () => void;
  log: (line: string) => void;
}

interface Exit {
  how: string;
}

/** Starts the child at once. */
export function keepRunning({ child, root, runDir, limits, onChange, log }: KeeperOptions): Keeper {
  const { name } = child;
  const output = logFile(runDir, name);
  const stopping = new AbortController();
  const state: ChildState = {
    name,
    health: 'starting',
    pid: undefined,
    since: undefined,
    restarts: 0,
    lastExit: undefined,
  };
  let running: ChildProcess | undefined;

  function change(part: Partial<ChildState>): void {
    Object.assign(state, part);
    onChange();
  }

  function launch(): { process: ChildProcess; exited: Promise<Exit> } {
    const log = openSync(output, 'a');
    const [program = '', ...args] = dieWithParent(child.command);
    const started = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...child.env, ...markOf(name, runDir) },
      // A group of its own: one signal reaches all of it, and Ctrl-C in the terminal does not.
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const exited = new Promise<Exit>((resolve) => {
      started.once('exit', (code, by) => resolve({ how: by ?? `code ${code}` }));
      started.once('error', (error) => resolve({ how: error.message }));
    });
    return { process: started, exited };
  }

  async function keep(): Promise<void> {
    let backoffMillis = limits.firstBackoffMillis;
    while (!stopping.signal.aborted) {
      const launched = launch();
      running = launched.process;
      if (running.pid !== undefined) writeFileSync(pidFile(runDir, name), `${running.pid}\n`);
      change({ health: 'starting', pid: running.pid, since: new Date().toISOString() });
      const gone = new AbortController();
      const health = watchHealth(launched.process, gone.signal);
      const exit = await launched.exited;
      gone.abort();
      const { steady, hung } = await health;
      // Whatever of its group outlived it must not hold its port.
      if (running.pid !== undefined) signal(-running.pid, 'SIGKILL');
      running = undefined;
      rmSync(pidFile(runDir, name), { force: true });
      const how = hung ? `${exit.how}, gave no answer to its health check` : exit.how;
      const lastExit = { at: new Date().toISOString(), how };
      if (stopping.signal.aborted) {
        log(`${name} stopped (${how})`);
        return change({ health: 'stopped', pid: undefined, lastExit });
      }
      if (steady) backoffMillis = limits.firstBackoffMillis;
      log(`${name} ended (${how}), next start in ${backoffMillis} ms`);
      change({ health: 'waiting', pid: undefined, lastExit });
      await delay(backoffMillis, undefined, { signal: stopping.signal }).catch(() => undefined);
      backoffMillis = Math.min(backoffMillis * 2, limits.longestBackoffMillis);
      state.restarts += 1;
    }
    change({ health: 'stopped', pid: undefined });
  }

  /** Until the process is gone. `hung` when it had to be ended, `steady` when it was well for long. */
  async function watchHealth(
    watched: ChildProcess,
    gone: AbortSignal,
  ): Promise<{ steady: boolean; hung: boolean }> {
    const startedAt = performance.now();
    let wellSince: number | undefined;
    let failures = 0;
    const steady = (): boolean =>
      wellSince !== undefined && performance.now() - wellSince >= limits.steadyMillis;
    while (!gone.aborted) {
      const well = await answers(child.healthUrl, limits.healthTimeoutMillis);
      // A child that drains need not answer.
      if (gone.aborted || stopping.signal.aborted) break;
      failures = well ? 0 : failures + 1;
      if (well) wellSince ??= performance.now();
      const hung =
        wellSince === undefined
          ? performance.now() - startedAt > limits.startupMillis
          : failures >= limits.healthFailures;
      if (hung) {
        log(`${name} gave no answer at ${child.healthUrl}, ending it`);
        await terminate(watched, limits.hungGraceMillis);
        return { steady: steady(), hung: true };
      }
      const health = well ? 'healthy' : wellSince === undefined ? 'starting' : 'unhealthy';
      if (health !== state.health) {
        log(`${name} is ${health}`);
        change({ health });
      }
      rotateLog(output, limits.logBytes);
      // Before its first good answer it is asked more often: `make up` waits for that.
      const pause = limits.healthIntervalMillis / (wellSince === undefined ? 4 : 1);
      await delay(pause, undefined, { signal: gone }).catch(() => undefined);
    }
    return { steady: steady(), hung: false };
  }

  const kept = keep();
  return {
    state: () => ({ ...state }),
    async stop() {
      stopping.abort();
      if (running !== undefined) await terminate(running, child.graceSeconds * 1000);
      await kept;
    },
  };
}

async function terminate(target: ChildProcess, graceMillis: number): Promise<void> {
  const { pid } = target;
  if (pid === undefined || target.exitCode !== null || target.signalCode !== null) return;
  const exited = new AbortController();
  target.once('exit', () => exited.abort());
  signal(pid, 'SIGTERM');
  await delay(graceMillis, undefined, { signal: exited.signal }).catch(() => undefined);
  if (!exited.signal.aborted) signal(-pid, 'SIGKILL');
}

async function answers(url: string, timeoutMillis: number): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMillis) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Where util-linux is, the kernel sends the child a SIGTERM when the supervisor dies, even by SIGKILL. */
function dieWithParent(command: string[]): string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'TERM', '--', ...command];
}
