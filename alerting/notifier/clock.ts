/** Time as the workers see it, so that a test can let ten minutes pass at once. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Resolves after so long, or at once when `signal` aborts; never rejects. */
  sleep: (millis: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  sleep: (millis, signal) => delay(millis, undefined, { signal }).catch(() => undefined),
};
