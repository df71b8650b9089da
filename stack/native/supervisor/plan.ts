/**
 * The plan of the supervisor: the processes to run, in a file that `make up` writes. The file contains no secret; the environment
 * for a changed plan is in a file of its own, which the supervisor deletes when it has read it.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

export interface ChildDefinition {
  name: string;
  command: string[];
  /** Added to the supervisor's own environment. */
  env: Record<string, string>;
  /** Answers 2xx while the process is healthy. */
  healthUrl: string;
  /** Time from SIGTERM to SIGKILL. */
  graceSeconds: number;
  /** Name of everything else that shapes the process → a digest of its value. With another value the process is restarted. */
  inputs?: Record<string, string>;
}

export interface SupervisionLimits {
  healthIntervalMillis: number;
  healthTimeoutMillis: number;
  /** A healthy process counts as hanging after this many failed checks in a row. */
  healthFailures: number;
  /** Time from SIGTERM to SIGKILL for a process that hangs. */
  hungGraceMillis: number;
  /** A process that is not healthy after this time counts as hanging. */
  startupMillis: number;
  /** The pause before a restart doubles from the first to the longest backoff. */
  firstBackoffMillis: number;
  longestBackoffMillis: number;
  /** A process that was healthy for this long resets the backoff. */
  steadyMillis: number;
  /** A larger log is moved to `.1`, so the logs of a child take at most twice this size. */
  logBytes: number;
}

export const supervisionLimits: SupervisionLimits = {
  healthIntervalMillis: 1000,
  healthTimeoutMillis: 3000,
  healthFailures: 5,
  hungGraceMillis: 3000,
  startupMillis: 60_000,
  firstBackoffMillis: 500,
  longestBackoffMillis: 30_000,
  steadyMillis: 60_000,
  logBytes: 10_000_000,
};

export interface Plan {
  /** Differs for every plan. The supervisor repeats it in its state. */
  revision?: string;
  /** The working directory of every child. */
  root: string;
  /** In start order; they stop in reverse order. */
  children: ChildDefinition[];
  limits: SupervisionLimits;
}

export function writePlan(runDir: string, plan: Plan): void {
  writeFileSync(planFile(runDir), JSON.stringify(plan, undefined, 2));
}

export function readPlan(runDir: string): Plan {
  return JSON.parse(readFileSync(planFile(runDir), 'utf8')) as Plan;
}

/** The names in which a process differs between two plans: its inputs, or `command`. Empty: it is the same process. */
export function findChanges(before: ChildDefinition, after: ChildDefinition): string[] {
  const names = new Set([...Object.keys(before.inputs ?? {}), ...Object.keys(after.inputs ?? {})]);
  const changed = [...names].filter((name) => before.inputs?.[name] !== after.inputs?.[name]);
  const { inputs: _, ...one } = before;
  const { inputs: __, ...other } = after;
  if (!isDeepStrictEqual(one, other) && changed.length === 0) changed.push('command');
  return changed.toSorted();
}

/** Only the owner may read the environment, which contains secrets. */
export function writeEnvironment(runDir: string, env: NodeJS.ProcessEnv): void {
  writeFileSync(environmentFile(runDir), JSON.stringify(env), { mode: 0o600 });
}

export function takeEnvironment(runDir: string): Record<string, string> {
  const file = environmentFile(runDir);
  const env = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  rmSync(file);
  return env;
}

function environmentFile(runDir: string): string {
  return join(runDir, 'environment.json');
}

export function planFile(runDir: string): string {
  return join(runDir, 'plan.json');
}
