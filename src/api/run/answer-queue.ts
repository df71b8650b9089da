/**
 * Unbounded queue between the engine, which never blocks, and the response, which may. Bounded in practice by one answer.
 * Used by generation.ts.
 */

export interface AnswerQueue<T> {
  push(item: T): void;
  end(): void;
  fail(error: Error): void;
  /** Yields every item in order. @throws the error of `fail`, after the items before it. */
  items: () => AsyncGenerator<T, void, void>;
}

export function createAnswerQueue<T>(): AnswerQueue<T> {
  let waiting: T[] = [];
  let hasEnded = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  return {
    push(item) {
      waiting.push(item);
      wake?.();
    },
    end() {
      hasEnded = true;
      wake?.();
    },
    fail(error) {
      failure = error;
      wake?.();
    },
    async *items() {
      for (;;) {
        const ready = waiting;
        waiting = [];
        yield* ready;
        if (waiting.length > 0) continue;
        if (failure !== undefined) throw failure;
        if (hasEnded) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
