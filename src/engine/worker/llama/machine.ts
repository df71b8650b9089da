/** Reads the cores, their load and the free memory that this process may use, from the machine and its cgroup. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { createCgroupReader } from '../../../../otel/process/cgroup.ts';
import type { Machine } from './sizing.ts';

const cgroup = createCgroupReader();

export function readMachine(): Machine {
  const limit = cgroup.memoryLimitBytes();
  const left = limit === undefined ? Infinity : limit - (cgroup.memoryUsedBytes() ?? 0);
  return {
    cores: availableParallelism(),
    quotaCores: cgroup.cpuQuotaCores(),
    // On Linux `freemem` is MemAvailable, which counts the file cache as free (libuv 1.45 and later).
    freeBytes: Math.max(0, Math.min(freemem(), left)),
  };
}

export interface CpuTimes {
  readonly atMillis: number;
  /** The cores that this process may use. */
  readonly cores: number;
  /** CPU time of all programs on them, and what the hypervisor gave to other machines. */
  readonly busyMillis: number;
  /** CPU time of this process. */
  readonly ownMillis: number;
  /** Each thread that computes: how long it ran, and how long it waited for a core. */
  readonly threads: ReadonlyMap<
    string,
    { readonly ranMillis: number; readonly waitedMillis: number }
  >;
}

/** `USER_HZ` of proc_stat(5). */
const millisPerTick = 10;

/** Undefined on a system without /proc/stat. */
export function readCpuTimes(): CpuTimes | undefined {
  try {
    const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readText('/proc/self/status'))?.[1] ?? '';
    const busyTicks = readBusyTicks(readText('/proc/stat'), allowed);
    const { user, system } = process.cpuUsage();
    return {
      atMillis: performance.now(),
      cores: busyTicks.length,
      busyMillis: busyTicks.reduce((sum, ticks) => sum + ticks, 0) * millisPerTick,
      ownMillis: (user + system) / 1000,
      threads: readThreads(),
    };
  } catch {
    return undefined;
  }
}

/** llama.cpp computes in the threads of libuv's pool, and in threads that those start and that keep their name. */
const computing = 'libuv-worker';

/** `run_delay` of Linux's scheduler statistics, sched-stats.rst; empty where the kernel has none. */
function readThreads(): CpuTimes['threads'] {
  const threads = readdirSync('/proc/self/task').flatMap((id) => {
    try {
      const folder = `/proc/self/task/${id}`;
      if (readText(`${folder}/comm`).trim() !== computing) return [];
      const [ran = 0, waited = 0] = readText(`${folder}/schedstat`).split(' ').map(Number);
      return [[id, { ranMillis: ran / 1e6, waitedMillis: waited / 1e6 }] as const];
    } catch {
      // The thread has ended since, or the kernel was built without CONFIG_SCHED_INFO.
      return [];
    }
  });
  return new Map(threads);
}

/** Of each core in `allowed`, which is a list such as `0-3,8`. */
export function readBusyTicks(stat: string, allowed: string): number[] {
  const ranges = allowed.split(',').map((range) => range.split('-').map(Number));
  const isAllowed = (core: number): boolean =>
    ranges.some(([first = NaN, last = first]) => core >= first && core <= last);
  return [...stat.matchAll(/^cpu(\d+) (.+)$/gm)]
    .filter(([, core]) => isAllowed(Number(core)))
    .map(([, , fields = '']) => {
      const ticks = fields.split(' ').map(Number);
      const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
      return user + nice + system + irq + softirq + steal;
    });
}

function readText(path: string): string {
  return readFileSync(path, 'latin1');
}
