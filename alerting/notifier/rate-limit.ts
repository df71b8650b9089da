/** How soon a robot may be called again: at most so many calls in any window, and not at all during a block. */
import type { Rate } from './delivery.ts';

export interface RateLimit {
  /** 0 when a call may start now. */
  waitMillis(now: number): number;
  /** Notes that a call ended. */
  note(now: number): void;
  /** No call before then. */
  pauseUntil(time: number): void;
}

/**
 * A sliding window, since a bucket of 20 that refills at 20 a minute lets 40 through in its first one. The window runs
 * from the end of a call to the start of another, so that the vendor sees no less between them than we do.
 */
export function createRateLimit(rate: Rate | undefined, recent: readonly number[] = []): RateLimit {
  const { count, perSeconds } = rate ?? { count: Number.POSITIVE_INFINITY, perSeconds: 0 };
  const calls = recent.slice(-Math.min(count, recent.length));
  let pausedUntil = 0;
  return {
    waitMillis(now) {
      const [oldest = now] = calls;
      const freeAt = calls.length < count ? now : oldest + perSeconds * 1000;
      return Math.max(0, freeAt - now, pausedUntil - now);
    },
    note(now) {
      if (!Number.isFinite(count)) return;
      calls.push(now);
      if (calls.length > count) calls.shift();
    },
    pauseUntil(time) {
      pausedUntil = Math.max(pausedUntil, time);
    },
  };
}
