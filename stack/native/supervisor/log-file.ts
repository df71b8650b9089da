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
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';

export function logFile(runDir: string, name: string): string {
  return join(runDir, 'logs', `${name}.log`);
}

/**
 * Copies a file larger than `maxBytes` to `<file>.1` and empties it. The file is not renamed, because the child has it open for
 * appending. A line written between the copy and the truncation is lost.
 */
export function rotateLog(file: string, maxBytes: number): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  copyFileSync(file, `${file}.1`);
  truncateSync(file);
}

/** The last lines of a log, at most 64 KB; empty when the file does not exist. */
export function readLogEnd(file: string, lines: number): string {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return '';
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, 65_536));
    readSync(descriptor, buffer, { position: size - buffer.length });
    return buffer.toString().trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(descriptor);
  }
}
