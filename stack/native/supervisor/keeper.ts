/**
 * Keeps one child running: starts it, checks its health, restarts it with exponential backoff when it exits or hangs, and stops
 * it. The supervisor has one keeper for each child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endWithParent } from '../../../src/kit/parent-death.ts';
import { logFile, rotateLog } from './log-file.ts';
import type { ChildDefinition, SupervisionLimits } from './plan.ts';
import { markOf, signal } from './processes.ts';
import type { ChildState } from './state.ts';

export interface Keeper extends KeeperOptions {
  readonly state: ChildState;
  /** Aborted by `stopKeeping`. */
  readonly stopping: AbortController;
  process: ChildProcess | undefined;
  /** Resolves when the child has exited and will not be restarted. */
  done: Promise<void>;
}

interface KeeperOptions {
  child: ChildDefinition;
  root: string;
  runDir: string;
  limits: SupervisionLimits;
  /** Called after every change of `state`. */
  onChange: () => void;
  log: (line: string) => void;
}

/** Starts the child at once. */
export function keepRunning(options: KeeperOptions): Keeper {
  const keeper: Keeper = {
    ...options,
    state: {
      name: options.child.name,
      health: 'starting',
      pid: undefined,
      since: undefined,
      restarts: 0,
      lastExit: undefined,
    },
    stopping: new AbortController(),
    process: undefined,
    done: Promise.resolve(),
  };
  keeper.done = restartUntilStopped(keeper);
  return keeper;
}

/** Sends SIGTERM to the child, and SIGKILL to its process group after the grace period. Resolves when the child has exited. */
export async function stopKeeping(keeper: Keeper): Promise<void> {
  keeper.stopping.abort();
  if (keeper.process !== undefined) {
    await terminate(keeper.process, keeper.child.graceSeconds * 1000);
  }
  await keeper.done;
}

async function restartUntilStopped(keeper: Keeper): Promise<void> {
  const { child, limits, stopping, state, log } = keeper;
  let backoffMillis = limits.firstBackoffMillis;
  while (!stopping.signal.aborted) {
    const { how, wasSteady } = await runOnce(keeper);
    const lastExit = { at: new Date().toISOString(), how };
    if (stopping.signal.aborted) {
      log(`${child.name} stopped (${how})`);
      return change(keeper, { health: 'stopped', pid: undefined, lastExit });
    }
    if (wasSteady) backoffMillis = limits.firstBackoffMillis;
    log(`${child.name} ended (${how}), next start in ${backoffMillis} ms`);
    change(keeper, { health: 'waiting', pid: undefined, lastExit });
    await sleep(backoffMillis, stopping.signal);
    backoffMillis = Math.min(backoffMillis * 2, limits.longestBackoffMillis);
    state.restarts += 1;
  }
  change(keeper, { health: 'stopped', pid: undefined });
}

/** Runs the child until it exits; `wasSteady` when it was healthy for `steadyMillis`. */
async function runOnce(keeper: Keeper): Promise<{ how: string; wasSteady: boolean }> {
  const child = launch(keeper);
  const exit = new Promise<string>((resolve) => {
    child.once('exit', (code, signalName) => resolve(signalName ?? `code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  keeper.process = child;
  change(keeper, { health: 'starting', pid: child.pid, since: new Date().toISOString() });
  const exited = new AbortController();
  const health = watchHealth(keeper, child, exited.signal);
  const how = await exit;
  exited.abort();
  const { hung, wasSteady } = await health;
  // A descendant that runs longer than the child would keep the child's port.
  if (child.pid !== undefined) signal(-child.pid, 'SIGKILL');
  keeper.process = undefined;
  return { how: hung ? `${how}, no answer to its health check` : how, wasSteady };
}

function launch({ child, root, runDir, log }: Keeper): ChildProcess {
  const output = openLog(logFile(runDir, child.name), log);
  const [program = '', ...args] = [...endWithParent('TERM'), ...child.command];
  const launched = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...child.env, ...markOf(child.name, runDir) },
    // A process group of its own: one signal reaches the child and its descendants, and Ctrl-C in the terminal does not reach them.
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return launched;
}

/** The folder may have been deleted since the start. Without a log the child runs nevertheless. */
function openLog(file: string, log: (line: string) => void): number {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return openSync(file, 'a');
  } catch (error) {
    log(`cannot write ${file}, its lines are lost: ${(error as Error).message}`);
    return openSync('/dev/null', 'a');
  }
}

/** Checks the health until the child exits; terminates a child that hangs. */
async function watchHealth(
  keeper: Keeper,
  process: ChildProcess,
  exited: AbortSignal,
): Promise<{ hung: boolean; wasSteady: boolean }> {
  const { child, runDir, limits, log } = keeper;
  const startedAt = performance.now();
  let healthySince: number | undefined;
  let failures = 0;
  let hung = false;
  while (!exited.aborted) {
    const isHealthy = await answers(child.healthUrl, limits.healthTimeoutMillis);
    // A child that drains may not answer health checks.
    if (exited.aborted || keeper.stopping.signal.aborted) break;
    failures = isHealthy ? 0 : failures + 1;
    if (isHealthy) healthySince ??= performance.now();
    hung =
      healthySince === undefined
        ? performance.now() - startedAt > limits.startupMillis
        : failures >= limits.healthFailures;
    if (hung) {
      log(`${child.name} does not answer at ${child.healthUrl}, terminating it`);
      await terminate(process, limits.hungGraceMillis);
      break;
    }
    const health = isHealthy ? 'healthy' : healthySince === undefined ? 'starting' : 'unhealthy';
    if (health !== keeper.state.health) {
      log(`${child.name} is ${health}`);
      change(keeper, { health });
    }
    rotateLog(logFile(runDir, child.name), limits.logBytes);
    // Check more often until the child is healthy, because `make up` waits for that.
    await sleep(limits.healthIntervalMillis / (healthySince === undefined ? 4 : 1), exited);
  }
  const healthyMillis = healthySince === undefined ? 0 : performance.now() - healthySince;
  return { hung, wasSteady: healthySince !== undefined && healthyMillis >= limits.steadyMillis };
}

function change(keeper: Keeper, part: Partial<ChildState>): void {
  Object.assign(keeper.state, part);
  keeper.onChange();
}

async function terminate(child: ChildProcess, graceMillis: number): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new AbortController();
  child.once('exit', () => exited.abort());
  signal(pid, 'SIGTERM');
  await sleep(graceMillis, exited.signal);
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

/** Ends early, without an error, when `until` is aborted. */
async function sleep(millis: number, until: AbortSignal): Promise<void> {
  await delay(millis, undefined, { signal: until }).catch(() => undefined);
}
