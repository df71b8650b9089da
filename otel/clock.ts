/** The clock of all facts, and promises with a time limit. Used by the service as well as by this folder. */

// `performance.now()` counts from the start of the process, and `hrtime` from the same moment in every process of the machine.
const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/**
 * Milliseconds of the machine's monotonic clock, with a fraction: the same in every process, and not moved by a suspend or a step of
 * the wall clock. Differences are durations; a generation converts them to the wall clock for its spans.
 */
export function monotonicMillis(): number {
  return origin + performance.now();
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
