/** One answer for everybody who asks the same within a moment, so that several open pages cost what one does. */

export interface SharedReads {
  <T>(key: string, read: () => Promise<T>): Promise<T>;
  /** After a change: who asks next sees it. */
  forget(key: string): void;
}

/** An answer, also a failure, is shared while it is awaited and for `shareMillis` after. */
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
