/**
 * Bounded log files. Each child writes to its log file directly, so that logging does not depend on the supervisor. Used by the keepers,
 * `make up` and `make logs`.
 */
import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';

export function logFile(runDir: string, name: string): string {
  return join(runDir, 'logs', `${name}.log`);
}

/**
 * Copies a file larger than `maxBytes` to `<file>.1` and empties it. The file is not renamed, because the child has it open for
 * appending. A line written between the copy and the truncation is lost. On a full disk the copy is left out, which makes room.
 */
export function rotateLog(file: string, maxBytes: number): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  try {
    copyFileSync(file, `${file}.1`);
  } catch {
    rmSync(`${file}.1`, { force: true });
  }
  truncateSync(file);
}

/** The size in bytes; 0 when the file does not exist. */
export function logBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last lines of a log after the first `from` bytes, at most 64 KB; empty when the file does not exist. */
export function readLogEnd(file: string, lines: number, from = 0): string {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return '';
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    // A smaller file was rotated.
    const start = size < from ? 0 : from;
    const buffer = Buffer.alloc(Math.min(size - start, 65_536));
    readSync(descriptor, buffer, { position: size - buffer.length });
    return buffer.toString().trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(descriptor);
  }
}
