/**
 * Finds the stack's processes in `/proc`. A known process is identified by its pid and start time, because pids are reused. A
 * process that a killed supervisor left behind is found by a variable in its environment, which all descendants inherit.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readStat } from '../../../otel/process/proc.ts';

/** Its value is `chat@/path/of/the/run/folder`. */
const markVariable = 'LLAMASCOPE_PROCESS';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot at which the process started. */
  startTicks: number;
}

export interface OwnProcess extends ProcessIdentity {
  name: string;
  /** True for the leader of a process group; the other processes are its descendants. */
  leader: boolean;
}

/** The variable that marks a process of this run folder and its descendants. */
export function markOf(name: string, runDir: string): Record<string, string> {
  return { [markVariable]: `${name}@${runDir}` };
}

/** Undefined when the process has ended, also when it is a zombie. */
export function readProcess(pid: number): (ProcessIdentity & { groupId: number }) | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === 'Z') return undefined;
  return { pid, groupId: stat.groupId, startTicks: stat.startTicks };
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return readProcess(pid)?.startTicks === startTicks;
}

/** False for a process of another user, whose environment, which contains the mark, is not readable. Root may read all. */
export function isOurs(pid: number): boolean {
  const user = process.getuid?.();
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
  return owner === undefined || owner === user || user === 0;
}

/** Every live process with the mark of this run folder. */
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

/** The environment that a process started with; empty when it has ended or belongs to another user. */
export function readEnvironment(pid: number): Record<string, string> {
  let environ = '';
  try {
    environ = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    // Ended, or another user's.
  }
  const pairs = environ.split('\0').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs.filter(([name]) => name !== ''));
}

/**
 * Sends a signal; a process that has ended is no error. A negative pid means a process group.
 * @throws RangeError for pid 0, which would signal the caller's own process group.
 */
export function signal(pid: number, name: NodeJS.Signals): void {
  if (pid === 0) throw new RangeError('signal: expected a process id, got 0');
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
