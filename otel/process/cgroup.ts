/**
 * The limits of the cgroup this process runs in, version 1 and 2, which the machine's own numbers do not show. `process.ts`
 * observes them, and the engine sizes itself by them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupReader {
  /** Undefined where there is no cgroup, or none that counts it. */
  throttledSeconds(): number | undefined;
  /** Undefined where there is no limit. */
  memoryLimitBytes(): number | undefined;
  /** Without the file cache that the kernel would give back first. Undefined where there is no cgroup. */
  memoryUsedBytes(): number | undefined;
  /** CPU time in cores, 1.5 for 150 ms in 100; undefined where there is no quota. */
  cpuQuotaCores(): number | undefined;
}

/** Version 1 says "no limit" with the largest number of pages that fits into 63 bits. */
const unlimitedBytes = 2 ** 60;

/** The files are found once and read at every call. */
export function createCgroupReader(options: { root?: string; self?: string } = {}): CgroupReader {
  const { root = '/sys/fs/cgroup', self = '/proc/self/cgroup' } = options;
  const folders = findFolders(root, self);
  const cpuStat = firstFile(folders.cpu, 'cpu.stat');
  const memoryLimit =
    firstFile(folders.memory, 'memory.max') ?? firstFile(folders.memory, 'memory.limit_in_bytes');
  const memoryUsed =
    firstFile(folders.memory, 'memory.current') ??
    firstFile(folders.memory, 'memory.usage_in_bytes');
  const memoryStat = firstFile(folders.memory, 'memory.stat');
  const cpuMax = firstFile(folders.cpu, 'cpu.max');
  const cpuQuota = firstFile(folders.cpu, 'cpu.cfs_quota_us');
  const cpuPeriod = firstFile(folders.cpu, 'cpu.cfs_period_us');
  return {
    throttledSeconds() {
      const stat = readText(cpuStat);
      const micros = /^throttled_usec (\d+)$/m.exec(stat);
      if (micros !== null) return Number(micros[1]) / 1e6;
      const nanos = /^throttled_time (\d+)$/m.exec(stat);
      return nanos === null ? undefined : Number(nanos[1]) / 1e9;
    },
    memoryLimitBytes() {
      const bytes = Number.parseInt(readText(memoryLimit), 10);
      return bytes < unlimitedBytes ? bytes : undefined;
    },
    memoryUsedBytes() {
      const used = Number.parseInt(readText(memoryUsed), 10);
      // Version 1 counts the cgroups below under another name.
      const cache = /^(?:total_)?inactive_file (\d+)$/gm;
      const cached = [...readText(memoryStat).matchAll(cache)].map(([, bytes]) => Number(bytes));
      return Number.isNaN(used) ? undefined : Math.max(0, used - Math.max(0, ...cached));
    },
    cpuQuotaCores() {
      const [quota = '', period = ''] =
        cpuMax === undefined
          ? [readText(cpuQuota), readText(cpuPeriod)]
          : readText(cpuMax).split(' ');
      // "max" and -1 say that there is none.
      const cores = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
      return cores > 0 ? cores : undefined;
    },
  };
}

/**
 * `/proc/self/cgroup` has one line `0::/path` in version 2 and `7:cpu,cpuacct:/path` a controller in version 1. Inside a container the
 * path may be the host's, and the cgroup is then mounted at the root itself.
 */
function findFolders(root: string, self: string): { cpu: string[]; memory: string[] } {
  const lines = readText(self)
    .split('\n')
    .map((line) => line.split(':'));
  const foldersOf = (controller: string): string[] =>
    lines
      .filter(
        ([, controllers = '']) => controllers === '' || controllers.split(',').includes(controller),
      )
      .flatMap(([, controllers = '', path = '/']) => {
        const mounts =
          controllers === '' ? [root] : [join(root, controllers), join(root, controller)];
        return mounts.flatMap((mount) => [join(mount, path), mount]);
      });
  return { cpu: foldersOf('cpu'), memory: foldersOf('memory') };
}

function firstFile(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

function readText(file: string | undefined): string {
  if (file === undefined) return '';
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
