/** Whether a disk is full. Used by `make status` and by the chat service, so that the page says the same. */
import { fstatSync, statfsSync } from 'node:fs';

/** A line of a log has up to some kilobytes. */
const minFreeBytes = 65_536;

export function isDiskFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize < minFreeBytes;
}

/** Whether log lines are lost because standard output is a file on a full disk. False without /proc. */
export function isLogDiskFull(): boolean {
  try {
    return fstatSync(1).isFile() && isDiskFull('/proc/self/fd/1');
  } catch {
    return false;
  }
}
