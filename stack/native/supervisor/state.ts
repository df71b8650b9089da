/** What the supervisor knows about its children, as the file that `make status`, `up` and `down` read. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from './processes.ts';

export interface ChildState {
  name: string;
  /** `waiting`: between a death and the next start. */
  health: 'starting' | 'healthy' | 'unhealthy' | 'waiting' | 'stopped';
  pid: number | undefined;
  /** When this process of it started, as ISO 8601. */
  since: string | undefined;
  restarts: number;
  /** How its last process ended: `SIGKILL`, `code 1`, `no answer to its health check`. */
  lastExit: { at: string; how: string } | undefined;
}

export interface StackState {
  supervisor: ProcessIdentity & { since: string };
  children: ChildState[];
}

/** Undefined when nothing has run in this folder, or what ran was stopped. */
export function readState(runDir: string): StackState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(runDir), 'utf8')) as StackState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** By rename, so that a reader never sees half of it. */
export function writeState(runDir: string, state: StackState): void {
  const draft = `${stateFile(runDir)}.new`;
  writeFileSync(draft, JSON.stringify(state, undefined, 2));
  renameSync(draft, stateFile(runDir));
}

export function removeState(runDir: string): void {
  rmSync(stateFile(runDir), { force: true });
}

function stateFile(runDir: string): string {
  return join(runDir, 'state.json');
}

export function pidFile(runDir: string, name: string): string {
  return join(runDir, `${name}.pid`);
}

export function pidFiles(runDir: string): string[] {
  const files = readdirSync(runDir).filter((file) => file.endsWith('.pid'));
  return files.map((file) => join(runDir, file));
}
