/** How soon a robot may be called again: at most so many calls in any window, and not at all during a block. */
import type { Rate } from '../channels/delivery.ts';

export interface RateLimit {
  /** 0 when a call may start now. */
  waitMillis(now: number): number;
  /** Calls that may start now in the longest window. */
  left(now: number): number;
  /** Notes that a call ended. */
  note(now: number): void;
  /** No call before then. */
  pauseUntil(time: number): void;
}

/**
 * Sliding windows, since a bucket of 20 that refills at 20 a minute lets 40 through in its first one. A window runs
 * from the end of a call to the start of another, so that the vendor sees no less between them than we do.
 */
export function createRateLimit(
  rates: readonly Rate[],
  recent: readonly number[] = [],
  pausedUntil = 0,
): RateLimit {
  const longest = rates.toSorted((one, other) => other.perSeconds - one.perSeconds)[0];
  const most = Math.max(0, ...rates.map(({ count }) => count));
  const calls = recent.slice(-most || recent.length);

  function freeAt({ count, perSeconds }: Rate, now: number): number {
    const oldest = calls.at(-count);
    return calls.length < count || oldest === undefined ? now : oldest + perSeconds * 1000;
  }

  return {
    waitMillis: (now) =>
      Math.max(0, pausedUntil - now, ...rates.map((rate) => freeAt(rate, now) - now)),
    left(now) {
      if (longest === undefined) return Number.POSITIVE_INFINITY;
      const used = calls.filter((time) => time > now - longest.perSeconds * 1000).length;
      return Math.max(0, longest.count - used);
    },
    note(now) {
      calls.push(now);
      if (calls.length > most) calls.shift();
    },
    pauseUntil(time) {
      pausedUntil = Math.max(pausedUntil, time);
    },
  };
}
