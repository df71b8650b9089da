/**
 * A bounded log file that a child writes to by itself, so that its words outlive the supervisor. Used by the keeper of
 * each child, by `make up` for the end of a log, and by `make logs`.
 */
import {
  copyFileSync,
  openSync,
  closeSync,
  fstatSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';

export function logFile(runDir: string, name: string): string {
  return join(runDir, 'logs', `${name}.log`);
}

/**
 * Moves the content to `<file>.1` once it is larger than `maxBytes`. The file itself stays, since the child holds it
 * open for appending; what is written between the copy and the cut is lost.
 */
export function rotateLog(file: string, maxBytes: number): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  copyFileSync(file, `${file}.1`);
  truncateSync(file);
}

/** The last lines of a log, of its last 64 KB at most; empty when there is none. */
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
