/** Runs work one item at a time in order of arrival, and cancels it by id. Used by commands.ts. */
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface Turns {
  /** Resolves with undefined when `id` was cancelled. @throws the error of `work`. */
  take<T>(id: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined>;
  cancel(id: number): void;
}

export function createTurns(): Turns {
  const controllers = new Map<number, AbortController>();
  let last: Promise<unknown> = Promise.resolve();

  return {
    take(id, work) {
      const controller = new AbortController();
      const { signal } = controller;
      controllers.set(id, controller);
      const result = last.then(async () => {
        try {
          if (signal.aborted) return undefined;
          const value = await work(signal);
          return signal.aborted ? undefined : value;
        } finally {
          controllers.delete(id);
        }
      });
      last = result.catch(() => {});
      return result;
    },
    cancel(id) {
      controllers.get(id)?.abort();
    },
  };
}

/**
 * Runs a generator to its end. The event loop turns before each slice, so that a finished decode is handled first, and a slice begins
 * only while `mayRun`.
 */
export async function runSliced<T>(
  slices: Generator<void, T, void>,
  signal: AbortSignal,
  mayRun = () => true,
): Promise<T | undefined> {
  for (;;) {
    do await nextTurn();
    while (!mayRun() && !signal.aborted);
    if (signal.aborted) {
      slices.return(undefined as T);
      return undefined;
    }
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}
