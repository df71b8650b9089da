/** What stands between an engine that never waits and a reader that may: holds at most one answer. */

export interface AnswerBuffer<T> {
  push(item: T): void;
  end(): void;
  fail(error: Error): void;
  /** In order, to the end. @throws what it failed with, after the items before it. */
  items: () => AsyncGenerator<T, void, void>;
}

export function createAnswerBuffer<T>(): AnswerBuffer<T> {
  let waiting: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  return {
    push(item) {
      waiting.push(item);
      wake?.();
    },
    end() {
      ended = true;
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
        if (ended) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
