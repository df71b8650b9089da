/**
 * The limits of the cgroup this process runs in, version 1 and 2, which the machine's own numbers do not show. `process.ts`
 * observes them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupReader {
  /** Undefined where there is no cgroup, or none that counts it. */
  throttledSeconds(): number | undefined;
  /** Undefined where there is no limit. */
  memoryLimitBytes(): number | undefined;
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
