/**
 * Unbounded queue between the engine, which never blocks, and the response, which may block. In practice it holds at most one answer.
 * Used by generation.ts.
 */
export function createAnswerQueue<T>() {
  const waiting: T[] = [];
  let ending: { error: Error | undefined } | undefined;
  let wake: (() => void) | undefined;
  return {
    push(item: T): void {
      waiting.push(item);
      wake?.();
    },
    end(error?: Error): void {
      ending = { error };
      wake?.();
    },
    /** Yields every item in order. @throws the error of `end`, after the items before it. */
    async *items(): AsyncGenerator<T, void, void> {
      for (;;) {
        yield* waiting.splice(0);
        if (waiting.length > 0) continue;
        if (ending?.error !== undefined) throw ending.error;
        if (ending !== undefined) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
