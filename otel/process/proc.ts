/** Reads a process from Linux's `/proc`, and sums CPU time over restarts. Used by `process.ts` and by the supervisor in `stack/`. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFacts {
  /** Pid and start time: unique even if the kernel reuses the pid. */
  id: string;
  userSeconds: number;
  systemSeconds: number;
  memoryBytes: number;
  /** Seconds since 1970. */
  startedAt: number;
  /** Seconds since the start, by a clock that a step of the wall clock does not move. */
  uptimeSeconds: number;
  /** Open file descriptors; NaN without permission to read them. */
  openFileDescriptors: number;
}

/** `sysconf(_SC_CLK_TCK)`: 100 on every architecture that Node supports. */
const ticksPerSecond = 100;

export interface ProcessStat {
  /** `Z` for a zombie. */
  state: string;
  groupId: number;
  userTicks: number;
  systemTicks: number;
  /** Clock ticks from boot to the start of the process. Identifies the process together with its pid, because the kernel reuses pids. */
  startTicks: number;
}

/** Fields of `/proc/PID/stat` (proc_pid_stat(5)); undefined where the process or `/proc` does not exist. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the name in parentheses, may contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3]);
    return {
      state: fields[0] ?? '',
      groupId: field(5),
      userTicks: field(14),
      systemTicks: field(15),
      startTicks: field(22),
    };
  } catch {
    return undefined;
  }
}

/** Undefined for a process that does not exist or has ended, and on a system without `/proc`. */
export function readProcess(pid: number | undefined): ProcessFacts | undefined {
  if (pid === undefined) return undefined;
  const stat = readStat(pid);
  if (stat === undefined) return undefined;
  try {
    const residentKibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(
      readFileSync(`/proc/${pid}/status`, 'latin1'),
    );
    // A zombie has `stat` but no memory.
    if (residentKibibytes === null) return undefined;
    return {
      id: `${pid} ${stat.startTicks}`,
      userSeconds: stat.userTicks / ticksPerSecond,
      systemSeconds: stat.systemTicks / ticksPerSecond,
      memoryBytes: Number(residentKibibytes[1]) * 1024,
      startedAt: bootTime() + stat.startTicks / ticksPerSecond,
      uptimeSeconds: secondsSinceBoot() - stat.startTicks / ticksPerSecond,
      openFileDescriptors: countDescriptors(pid),
    };
  } catch {
    return undefined;
  }
}

function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

function secondsSinceBoot(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
}

function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]);
}

/** Sums the CPU time of successive processes, so that the sum does not fall at a restart. */
export function createCpuSum(): {
  add(facts: ProcessFacts | undefined): { userSeconds: number; systemSeconds: number };
} {
  const before = { userSeconds: 0, systemSeconds: 0 };
  let last: ProcessFacts | undefined;
  return {
    add(facts) {
      if (facts !== undefined && last !== undefined && facts.id !== last.id) {
        before.userSeconds += last.userSeconds;
        before.systemSeconds += last.systemSeconds;
      }
      last = facts ?? last;
      return {
        userSeconds: before.userSeconds + (last?.userSeconds ?? 0),
        systemSeconds: before.systemSeconds + (last?.systemSeconds ?? 0),
      };
    },
  };
}
