/** Shares the result of a read among callers that ask for the same key within a short time. Used by the console's endpoints. */

export interface SharedReads {
  <T>(key: string, read: () => Promise<T>): Promise<T>;
  /** Drops the shared result, after a change: the next caller reads anew. */
  forget(key: string): void;
}

/** A result or a failure is shared while the read runs and for `shareMillis` after it. */
export function createSharedReads({ shareMillis }: { shareMillis: number }): SharedReads {
  const reads = new Map<string, Promise<unknown>>();
  function readShared<T>(key: string, read: () => Promise<T>): Promise<T> {
    const known = reads.get(key);
    if (known !== undefined) return known as Promise<T>;
    const shared = read();
    reads.set(key, shared);
    const forgetSoon = (): void => {
      setTimeout(() => {
        if (reads.get(key) === shared) reads.delete(key);
      }, shareMillis).unref();
    };
    shared.then(forgetSoon, forgetSoon);
    return shared;
  }
  return Object.assign(readShared, { forget: (key: string) => void reads.delete(key) });
}
