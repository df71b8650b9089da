/** One answer for everybody who asks the same within a moment, so that several open pages cost what one does. */

export type SharedReads = <T>(key: string, read: () => Promise<T>) => Promise<T>;

/** An answer, also a failure, is shared while it is awaited and for `shareMillis` after. */
export function createSharedReads({ shareMillis }: { shareMillis: number }): SharedReads {
  const reads = new Map<string, Promise<unknown>>();
  return function readShared<T>(key: string, read: () => Promise<T>): Promise<T> {
    let shared = reads.get(key);
    if (shared === undefined) {
      shared = read();
      reads.set(key, shared);
      const forgetSoon = (): void => void setTimeout(() => reads.delete(key), shareMillis).unref();
      shared.then(forgetSoon, forgetSoon);
    }
    return shared as Promise<T>;
  };
}
