/** What a supervisor is told to run, as the file that `make up` writes and the supervisor reads. It holds no secret. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ChildDefinition {
  name: string;
  command: string[];
  /** Beside the environment that the supervisor itself has. */
  env: Record<string, string>;
  /** Answers 2xx while the process is well. */
  healthUrl: string;
  /** From SIGTERM to SIGKILL. */
  graceSeconds: number;
}

export interface SupervisionLimits {
  healthIntervalMillis: number;
  healthTimeoutMillis: number;
  /** So many failed checks in a row, after a first good one, mean that the process hangs. */
  healthFailures: number;
  /** From SIGTERM to SIGKILL for one that hangs. */
  hungGraceMillis: number;
  /** A process that was never well for so long is started again. */
  startupMillis: number;
  /** The wait before a restart: the first, doubled each time up to the longest. */
  firstBackoffMillis: number;
  longestBackoffMillis: number;
  /** Well for so long: the next restart waits the first backoff again. */
  steadyMillis: number;
  /** A log larger than this moves to `.1`; so each child's logs are bounded by twice this. */
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
  /** The working directory of every child. */
  root: string;
  /** Started in this order, stopped in the reverse one. */
  children: ChildDefinition[];
  limits: SupervisionLimits;
}

export function writePlan(runDir: string, plan: Plan): void {
  writeFileSync(planFile(runDir), JSON.stringify(plan, undefined, 2));
}

export function readPlan(runDir: string): Plan {
  return JSON.parse(readFileSync(planFile(runDir), 'utf8')) as Plan;
}

export function planFile(runDir: string): string {
  return join(runDir, 'plan.json');
}
