/** What the supervisor writes down and `make up`, `down`, `status` read: who runs, as which process, how it fares. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessId {
  pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  startTicks: string;
}

export interface ServiceState {
  name: string;
  url: string;
  log: string;
  process: ProcessId | undefined;
  upSince: number;
  restarts: number;
  lastExit: string | undefined;
  healthy: boolean;
}

export interface StackState {
  supervisor: ProcessId;
  services: ServiceState[];
}

export function stateFile(runDir: string): string {
  return path.join(runDir, 'state.json');
}

export function readState(runDir: string): StackState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile(runDir), 'utf8')) as StackState;
  } catch {
    return undefined;
  }
}

export function writeState(runDir: string, state: StackState): void {
  mkdirSync(runDir, { recursive: true });
  const file = stateFile(runDir);
  writeFileSync(`${file}.new`, JSON.stringify(state, undefined, 2));
  renameSync(`${file}.new`, file);
  for (const { name, process } of state.services) {
    writeFileSync(
      path.join(runDir, `${name}.pid`),
      process === undefined ? '' : `${process.pid}\n`,
    );
  }
}

/** The process with this id now; undefined where there is none. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : { pid, startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

export function isAlive(process: ProcessId | undefined): process is ProcessId {
  return process !== undefined && identify(process.pid)?.startTicks === process.startTicks;
}
