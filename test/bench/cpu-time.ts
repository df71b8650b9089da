/** CPU time of a contender, of this program and of the machine; the rest was used by other programs. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { readProcess } from '../../otel/process/proc.ts';

/** Seconds since the processes and the machine started. */
export interface CpuTime {
  /** Time of the reading, in seconds of `performance.now()`. */
  at: number;
  /** The contender's processes. */
  byRole: Readonly<Record<string, number>>;
  bench: number;
  machine: number;
}

export function readCpuTime(pids: Readonly<Record<string, number | undefined>>): CpuTime {
  const own = process.cpuUsage();
  const machineMillis = cpus().reduce((total, { times }) => {
    return total + times.user + times.nice + times.sys + times.irq;
  }, 0);
  return {
    at: performance.now() / 1000,
    byRole: Object.fromEntries(
      Object.entries(pids).map(([role, pid]) => [role, cpuSecondsOf(pid)] as const),
    ),
    bench: (own.user + own.system) / 1e6,
    machine: machineMillis / 1000,
  };
}

export function secondsByRole(before: CpuTime, after: CpuTime): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after.byRole).map(([role, seconds]) => [
      role,
      seconds - (before.byRole[role] ?? NaN),
    ]),
  );
}

/** Average number of cores that other programs kept busy. */
export function foreignCores(before: CpuTime, after: CpuTime): number {
  const contender = Object.values(secondsByRole(before, after)).reduce((sum, one) => sum + one, 0);
  const busy = after.machine - before.machine - contender - (after.bench - before.bench);
  return Math.max(0, busy / (after.at - before.at));
}

/** The first child of a process; undefined if it has none, or on a system without /proc. */
export function findChild(pid: number | undefined): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** User and system CPU time in seconds; NaN on a system without `/proc`. */
function cpuSecondsOf(pid: number | undefined): number {
  const facts = readProcess(pid);
  return facts === undefined ? Number.NaN : facts.userSeconds + facts.systemSeconds;
}
