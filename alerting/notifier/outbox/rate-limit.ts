/** Rate limit of a channel: at most `count` calls in any window of each rate, and none during a block. */
import type { Rate } from '../channels/channel.ts';
import type { Outbox } from './outbox.ts';

export type RateLimit = ReturnType<typeof createRateLimit>;

/**
 * Sliding windows, not a token bucket: a bucket of 20 that refills at 20 a minute would allow 40 calls in its first minute. A
 * window is measured from the end of one call to the start of a later one, so that the vendor never measures a shorter window.
 */
export function createRateLimit(
  { name, rates = [] }: { name: string; rates?: readonly Rate[] },
  log: Outbox['calls'],
  startedAt: number,
) {
  const longest = rates.toSorted((one, other) => other.perSeconds - one.perSeconds)[0];
  const maxCount = Math.max(0, ...rates.map(({ count }) => count));
  const recent = log.since(name, startedAt - (longest?.perSeconds ?? 0) * 1000);
  const calls = recent.slice(-maxCount || recent.length);
  let blockedUntil = log.blockedUntil(name);

  function freeAt({ count, perSeconds }: Rate, now: number): number {
    const oldest = calls.at(-count);
    return calls.length < count || oldest === undefined ? now : oldest + perSeconds * 1000;
  }

  return {
    /** Milliseconds until a call may start; 0: now. */
    waitMillis: (now: number) =>
      Math.max(0, blockedUntil - now, ...rates.map((rate) => freeAt(rate, now) - now)),
    /** Number of calls that may start now under the rate with the longest window; Infinity without rates. */
    callsLeft(now: number): number {
      if (longest === undefined) return Number.POSITIVE_INFINITY;
      const used = calls.filter((time) => time > now - longest.perSeconds * 1000).length;
      return Math.max(0, longest.count - used);
    },
    callStarted(now: number): void {
      if (rates.length > 0) log.add(name, now);
    },
    callEnded(now: number): void {
      calls.push(now);
      if (calls.length > maxCount) calls.shift();
    },
    /** Allows no call before `time`. */
    blockUntil(time: number): void {
      blockedUntil = Math.max(blockedUntil, time);
      log.block(name, blockedUntil);
    },
  };
}
