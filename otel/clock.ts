/** The clock of all facts, and promises with a time limit. Used by the service as well as by this folder. */

/**
 * Milliseconds of the machine's monotonic clock, with a fraction: the same in every process, and not moved by a suspend or a step of
 * the wall clock. Differences are durations; a generation converts them to the wall clock for its spans. `performance.now()` counts from
 * the start of each process instead.
 */
export function monotonicMillis(): number {
  return Number(process.hrtime.bigint()) / 1e6;
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
