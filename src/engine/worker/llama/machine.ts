/** Reads what the machine and the cgroup give this process; the numbers that sizing.ts decides by. */
import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { createCgroupReader } from '../../../../otel/process/cgroup.ts';
import type { Machine } from './sizing.ts';

export function readMachine(): Machine {
  const cgroup = createCgroupReader();
  const limit = cgroup.memoryLimitBytes();
  const left = limit === undefined ? Infinity : limit - (cgroup.memoryUsedBytes() ?? 0);
  return {
    cores: availableParallelism(),
    quotaCores: cgroup.cpuQuotaCores(),
    freeBytes: Math.max(0, Math.min(readAvailableBytes(), left)),
  };
}

/** Linux knows better than `freemem` what could be freed; elsewhere there is nothing better. */
function readAvailableBytes(): number {
  try {
    const found = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    return found === null ? freemem() : Number(found[1]) * 1024;
  } catch {
    return freemem();
  }
}
