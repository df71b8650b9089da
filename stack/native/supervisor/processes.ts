/**
 * Which processes are this stack's, told from `/proc`: a known one by its pid and start time, since pids are used again;
 * unknown ones (left behind when a supervisor was killed) by a mark in their environment that all descendants inherit.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { readStat } from '../../../otel/process/proc.ts';

/** Set by the supervisor for its children only: `chat@/path/of/the/run/folder`. */
const markVariable = 'LLAMASCOPE_PROCESS';
const pollMillis = 100;

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot at which the process started. */
  startTicks: number;
}

export interface OwnProcess extends ProcessIdentity {
  name: string;
  /** Leads its process group; the others are its descendants. */
  leader: boolean;
}

/** What to put into the environment of a process of this run folder. */
export function markOf(name: string, runDir: string): Record<string, string> {
  return { [markVariable]: `${name}@${runDir}` };
}

/** Undefined when no such process lives; a zombie counts as none. */
export function readProcess(pid: number): (ProcessIdentity & { groupId: number }) | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === 'Z') return undefined;
  return { pid, groupId: stat.groupId, startTicks: stat.startTicks };
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return readProcess(pid)?.startTicks === startTicks;
}

/** Every live process that carries the mark of this run folder. */
export function findOwnProcesses(runDir: string): OwnProcess[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const pid = Number(entry);
      const mark = readEnvironment(pid)[markVariable];
      if (mark?.endsWith(`@${runDir}`) !== true) return [];
      const found = readProcess(pid);
      if (found === undefined) return [];
      const { startTicks, groupId } = found;
      const name = mark.slice(0, -runDir.length - 1);
      return [{ pid, startTicks, name, leader: groupId === pid }];
    });
}

/** The environment a process was started with; empty when it is gone or another user's. */
export function readEnvironment(pid: number): Record<string, string> {
  const pairs = (readProc(pid, 'environ') ?? '').split('\0').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs.filter(([name]) => name !== ''));
}

/** Sends a signal; a process that has gone meanwhile is what was wanted. A negative pid names a group. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGTERM to the leaders of what the mark finds, SIGKILL to all that is left after the grace. */
export async function stopOwnProcesses(options: {
  runDir: string;
  graceMillis: number;
  /** Called at every look with what still runs. */
  onWait?: (left: OwnProcess[]) => void;
}): Promise<void> {
  const { runDir, graceMillis, onWait } = options;
  for (const { pid, leader } of findOwnProcesses(runDir)) if (leader) signal(pid, 'SIGTERM');
  const deadline = performance.now() + graceMillis;
  for (;;) {
    const left = findOwnProcesses(runDir);
    if (left.length === 0) return;
    onWait?.(left);
    if (performance.now() > deadline) for (const { pid } of left) signal(pid, 'SIGKILL');
    await delay(pollMillis);
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // Gone, or another user's.
    return undefined;
  }
}
