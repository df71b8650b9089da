/**
 * The observed function that runs now. Not in OpenTelemetry's context: an evaluation would be counted twice in a program without a
 * context manager.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Sequence } from './llama.ts';
import type { Operation } from './operation.ts';

/** A prompt of a chat session, which calls the model once, and once more after each round of function calls. */
export interface Prompt {
  readonly chat: object;
  /** The first call, until the chat makes it. */
  firstCall: Operation | undefined;
}

const operations = new AsyncLocalStorage<Operation | undefined>();
const prompts = new AsyncLocalStorage<Prompt | undefined>();

/** The operation that `sequence` is evaluated for. A callback of the program may evaluate other sequences meanwhile. */
export function currentOperation(sequence: Sequence): Operation | undefined {
  const operation = operations.getStore();
  return operation?.sequence === sequence && !operation.isEnded() ? operation : undefined;
}

export function takeFirstCall(chat: object): Operation | undefined {
  const prompt = prompts.getStore();
  if (prompt?.chat !== chat) return undefined;
  const { firstCall } = prompt;
  prompt.firstCall = undefined;
  return firstCall;
}

export function runInOperation<T>(operation: Operation, run: () => T): T {
  return operations.run(operation, run);
}

export function runInPrompt<T>(prompt: Prompt, run: () => T): T {
  return prompts.run(prompt, run);
}

/** For functions of the program: what they generate is not part of what called them. */
export function runOutside<T>(run: () => T): T {
  return operations.run(undefined, () => prompts.run(undefined, run));
}
