/** The notifier's clock. Tests inject a virtual clock, so that they need not wait. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Milliseconds of a monotonic clock, which no step of the wall clock moves. */
  elapsed: () => number;
  /** Resolves after `millis` or as soon as `signal` aborts; never rejects. */
  sleep: (millis: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  sleep: (millis, signal) => delay(millis, undefined, { signal }).catch(() => undefined),
};

/** Runs `task` at once and again `everyMillis` after each run has ended, until `signal` aborts; an error goes to `onError`. */
export async function repeat(
  everyMillis: number,
  task: () => Promise<void> | void,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      onError(error);
    }
    await systemClock.sleep(everyMillis, signal);
  }
}
