/** Output of the stack's commands in the terminal's language. Problems that a person can fix have no stack trace. */
import type { Text } from '../otel/text.ts';
import { languageOf } from '../src/kit/language.ts';
import { messages } from './messages.ts';

const progressMillis = 3000;

const language = languageOf(process.env);

/** The text in the terminal's language. */
export function localize<Value>(texts: Record<keyof Text, Value>): Value {
  return texts[language];
}

export function say(message: Text): void {
  console.log(localize(message));
}

/** Prints that another `make` is running. Passed as `onWait` to the file lock. */
export function sayWaiting(): void {
  say(messages.waitingForMake());
}

/** Returns a function that prints its message at most every 3 seconds, with the seconds since the progress was created. */
export function createProgress(): (message: (seconds: number) => Text) => void {
  const startedAt = performance.now();
  let shownAt = startedAt;
  return (message) => {
    const now = performance.now();
    if (now - shownAt < progressMillis) return;
    shownAt = now;
    say(message(Math.round((now - startedAt) / 1000)));
  };
}

/** A problem that the person at the terminal can fix. `runCommand` prints it without a stack trace. */
export class StackError extends Error {
  constructor(message: Text, options?: ErrorOptions) {
    super(localize(message), options);
    this.name = 'StackError';
  }
}

/** Runs a command and sets the exit code. A StackError becomes a message on stderr and exit code 1. */
export async function runCommand(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const known = asStackError(error);
    if (known === undefined) throw error;
    console.error(known.message);
    process.exitCode = 1;
  }
}

function asStackError(error: unknown): StackError | undefined {
  if (error instanceof StackError) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined) return undefined;
  if (code === 'ENOSPC') return new StackError(messages.diskFull(path));
  const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return isDenied ? new StackError(messages.noPermission(path, code)) : undefined;
}
