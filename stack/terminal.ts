/** Output of the stack's commands in the terminal's language. Problems that a person can fix have no stack trace. */
import type { Text } from '../otel/text.ts';
import { languageOf } from '../src/kit/language.ts';
import { cutColumns } from '../src/kit/table.ts';
import { messages } from './messages.ts';

const lineMillis = 3000;
const terminalMillis = 200;
const clearLine = '\r\u001B[2K';

const language = languageOf(process.env);
/** Whether the last output is a progress line, which the next output replaces. */
let isLineOpen = false;

/** The text in the terminal's language. */
export function localize<Value>(texts: Record<keyof Text, Value>): Value {
  return texts[language];
}

export function say(message: Text): void {
  print(localize(message));
}

export function print(text: string): void {
  closeProgress();
  console.log(text);
}

/** Prints that another `make` is running. Passed as `onWait` to the file lock. */
export function sayWaiting(): void {
  say(messages.waitingForMake());
}

/**
 * Returns a function that shows its message with the seconds since the progress was created: one line that is rewritten on a
 * terminal, a line every 3 seconds elsewhere.
 */
export function createProgress(
  output: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'> = process.stdout,
): (message: (seconds: number) => Text) => void {
  const startedAt = performance.now();
  let shownAt = startedAt;
  return (message) => {
    const now = performance.now();
    if (now - shownAt < (output.isTTY ? terminalMillis : lineMillis)) return;
    shownAt = now;
    const text = localize(message(Math.round((now - startedAt) / 1000)));
    if (output.isTTY) output.write(clearLine + cutColumns(text, (output.columns || 80) - 1));
    else output.write(`${text}\n`);
    isLineOpen = output.isTTY;
  };
}

function closeProgress(): void {
  if (isLineOpen) process.stdout.write(clearLine);
  isLineOpen = false;
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
    closeProgress();
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
