/** CPU and memory limits of the cgroup of this process, version 1 and 2. `process.ts` reports them; the engine sizes itself by them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupReader {
  /** Undefined without a cgroup that counts throttling. */
  throttledSeconds(): number | undefined;
  /** Undefined without a limit. */
  memoryLimitBytes(): number | undefined;
  /** Excludes inactive file cache, which the kernel reclaims first. Undefined without a cgroup. */
  memoryUsedBytes(): number | undefined;
  /** 1.5 for a quota of 150 ms in a period of 100 ms; undefined without a quota. */
  cpuQuotaCores(): number | undefined;
}

/** Version 1 reports "no limit" as the largest multiple of the page size below 2^63. */
const unlimitedBytes = 2 ** 60;

/** Locates the files once and reads them at every call. */
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
      // Version 1 has a separate total that includes child cgroups.
      const cache = /^(?:total_)?inactive_file (\d+)$/gm;
      const cached = [...readText(memoryStat).matchAll(cache)].map(([, bytes]) => Number(bytes));
      return Number.isNaN(used) ? undefined : Math.max(0, used - Math.max(0, ...cached));
    },
    cpuQuotaCores() {
      const [quota = '', period = ''] =
        cpuMax === undefined
          ? [readText(cpuQuota), readText(cpuPeriod)]
          : readText(cpuMax).split(' ');
      // `max` and -1 mean no quota.
      const cores = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
      return cores > 0 ? cores : undefined;
    },
  };
}

/**
 * `/proc/self/cgroup` has one line `0::/path` in version 2, and one line per controller such as `7:cpu,cpuacct:/path` in version 1.
 * Inside a container the path may be that of the host; the cgroup is then mounted at the root.
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
