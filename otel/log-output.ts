/**
 * Writes log lines to standard output. A line that cannot be written is dropped and counted, so that a full disk, or a reader that
 * stands still, costs lines and never stops the program. Used by `logger.ts`.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** A reader gets this long to make room. After a dropped line every line is tried once, until one is written. */
const patienceMillis = 100;
const pollMillis = 5;

export interface LogOutput {
  /** `line` ends with a line break. */
  write(line: string): void;
}

let dropped = 0;

/** The lines that this process could not write. */
export function droppedLines(): number {
  return dropped;
}

/** @param describeLoss makes the line that precedes the first one after dropped lines; `code` is the system's last error */
export function createLogOutput(
  describeLoss: (lines: number, code: string) => string,
  descriptor = 1,
): LogOutput {
  const target = openWithoutBlocking(descriptor);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  let lost = 0;
  let code = '';
  /** Whether the last line was cut, and the next one has to begin with a line break. */
  let isCut = false;

  /** Whether all of it is written. */
  function send(text: string): boolean {
    const bytes = Buffer.from(text);
    const deadline = performance.now() + (lost === 0 ? patienceMillis : 0);
    for (let written = 0; written < bytes.length;) {
      try {
        written += writeSync(target, bytes, written);
        isCut = written < bytes.length;
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code ?? 'an error';
        const isBusy = code === 'EAGAIN' && performance.now() < deadline;
        if (!isBusy) return false;
        Atomics.wait(pause, 0, 0, pollMillis);
      }
    }
    return true;
  }

  return {
    write(line) {
      const note = lost === 0 ? '' : describeLoss(lost, code);
      if (send((isCut ? '\n' : '') + note + line)) {
        lost = 0;
      } else {
        lost += 1;
        dropped += 1;
      }
    },
  };
}

/**
 * Opens a pipe or terminal again, so that a write to a full one fails instead of waiting, and the other programs that share it are not
 * affected. Files are always written at once.
 */
function openWithoutBlocking(descriptor: number): number {
  try {
    if (!fstatSync(descriptor).isFIFO() && !isatty(descriptor)) return descriptor;
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return openSync(`/proc/self/fd/${descriptor}`, flags);
  } catch {
    // No /proc, or the pipe of another user.
    return descriptor;
  }
}
