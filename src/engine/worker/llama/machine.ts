/** Reads the cores and the free memory that this process may use, from the machine and its cgroup. Used by model.ts. */
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
