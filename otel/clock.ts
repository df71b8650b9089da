/** Timestamps, and promises with a time limit. Used by the service as well as by this folder. */

/**
 * Milliseconds since 1970 with a fraction, monotonic within a process. Every process adds to the wall clock of its own start
 * (`timeOrigin`), so the timestamps of two processes drift apart when the system clock is stepped between their starts.
 */
export function epochMillis(): number {
  return performance.timeOrigin + performance.now();
}

/** Resolves with false if `promise` is still pending after `millis`. @throws the reason if `promise` rejects before that. */
export async function isFulfilledWithin(
  millis: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), millis);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
