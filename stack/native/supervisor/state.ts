/** The state of the children, in a file that the supervisor writes and `make up`, `down` and `status` read. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from './processes.ts';

export interface ChildState {
  name: string;
  /** `waiting`: for the next start, after an exit. */
  health: 'starting' | 'healthy' | 'unhealthy' | 'waiting' | 'stopped';
  pid: number | undefined;
  /** When its current process started, as ISO 8601. */
  since: string | undefined;
  restarts: number;
  /** How its last process ended: `SIGKILL`, `code 1`, `SIGTERM, no answer to its health check`. */
  lastExit: { at: string; how: string } | undefined;
}

export interface StackState {
  supervisor: ProcessIdentity;
  /** Of the plan that the children belong to. */
  revision?: string | undefined;
  children: ChildState[];
}

/** Undefined when no supervisor has run in this folder since the last orderly stop. */
export function readState(runDir: string): StackState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(runDir), 'utf8')) as StackState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a temporary file and renames it, so that readers never see an incomplete state. */
export function writeState(runDir: string, state: StackState): void {
  const draft = `${stateFile(runDir)}.new`;
  writeFileSync(draft, JSON.stringify(state, undefined, 2));
  renameSync(draft, stateFile(runDir));
}

export function removeState(runDir: string): void {
  rmSync(stateFile(runDir), { force: true });
}

export function stateFile(runDir: string): string {
  return join(runDir, 'state.json');
}
