/** Where the facts of one generation wait until its request reads them. Used by the host. */

export interface Inbox<T> {
  push(item: T): void;
  /** Once it is known the inbox ends with it, after what was pushed before. */
  fail(error: unknown): void;
  /** @throws what it failed with. */
  next(): Promise<T>;
}

export function createInbox<T>(): Inbox<T> {
  const items: T[] = [];
  let failure: { error: unknown } | undefined;
  let wake: (() => void) | undefined;

  return {
    push(item) {
      items.push(item);
      wake?.();
    },
    fail(error) {
      failure ??= { error };
      wake?.();
    },
    async next() {
      while (items.length === 0) {
        if (failure !== undefined) throw failure.error;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return items.shift()!;
    },
  };
}
