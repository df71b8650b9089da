/**
 * Files in memory that hold the states of sequences, because node-llama-cpp saves and loads a state by path only. Used by model.ts
 * and sequence.ts.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SavedState, StateMemory } from '../loaded-model.ts';

/** A folder of a memory file system. */
export interface MemoryFolder {
  freeBytes(): number;
  /**
   * `write` gets the path of a new file. The file has no name from before its first byte: no other program can open it, and nothing
   * is left when the process dies. (node-llama-cpp itself would create it readable for everyone.)
   * @throws Error of `write`, or when the file is shorter than `write` reports.
   */
  writeFile(write: (path: string) => Promise<{ fileSize: number }>): Promise<StateFile>;
}

export interface StateFile extends SavedState {
  readonly path: string;
}

/** `statfs` types of tmpfs and ramfs (linux/magic.h). */
const memoryFileSystems = new Set([0x01_02_19_94, 0x85_84_58_f6]);
/** Left to the API process and other programs: pages of a memory file system count against the cgroup. */
const reserveBytes = 128 * 2 ** 20;
/** Parts of a state beside the KV cells: header and token ids. */
const stateOverheadBytes = 64 * 2 ** 10;
/** Share of the free memory that the prefix cache takes by default, and the most that it takes. */
const cacheShare = 0.5;
const maxCacheBytes = 4 * 2 ** 30;

/** The memory file system with the most free space; undefined where there is none (macOS, Windows). */
export function findMemoryFolder(
  folders: readonly string[] = ['/dev/shm', '/run/shm', tmpdir()],
): MemoryFolder | undefined {
  const [folder] = folders.filter(isInMemory).toSorted((a, b) => freeSpace(b) - freeSpace(a));
  if (folder === undefined) return undefined;
  return {
    freeBytes: () => freeSpace(folder),
    async writeFile(write) {
      const name = path.join(folder, `llamascope-${randomUUID()}`);
      const fd = openSync(name, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        unlinkSync(name);
        const file = `/proc/self/fd/${fd}`;
        const { fileSize } = await write(file);
        const { size } = fstatSync(fd);
        if (size < fileSize) throw new Error(`${size} of ${fileSize} bytes were written.`);
        return { path: file, bytes: size, drop: () => closeSync(fd) };
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },
  };
}

/** `unusedBytes` of memory are left beside the model and its contexts; `freeBytes` is the machine's free memory. */
export function createStateMemory(options: {
  folder: MemoryFolder;
  cacheMegabytes: number | 'auto';
  unusedBytes: number;
  bytesPerToken: number;
  freeBytes: () => number;
}): StateMemory {
  const { folder, cacheMegabytes, unusedBytes, bytesPerToken } = options;
  const freeBytes = (): number =>
    Math.max(0, Math.min(folder.freeBytes(), options.freeBytes() - reserveBytes));
  const automatic = cacheShare * Math.max(0, Math.min(unusedBytes, freeBytes()));
  return {
    cacheBytes:
      cacheMegabytes === 'auto' ? Math.min(automatic, maxCacheBytes) : cacheMegabytes * 1e6,
    freeBytes,
    bytesOf: (tokens) => tokens * bytesPerToken + stateOverheadBytes,
  };
}

function isInMemory(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    accessSync('/proc/self/fd');
    return memoryFileSystems.has(statfsSync(folder).type);
  } catch {
    return false;
  }
}

function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
