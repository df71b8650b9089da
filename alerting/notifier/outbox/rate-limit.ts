/** Rate limit of a channel: at most `count` calls in any window of each rate, and none during a block. */
import type { Rate } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import type { Outbox } from './outbox.ts';

export type RateLimit = ReturnType<typeof createRateLimit>;

/**
 * Sliding windows, not a token bucket: a bucket of 20 that refills at 20 a minute would allow 40 calls in its first minute. A
 * window is measured from the end of one call to the start of a later one, so that the vendor never measures a shorter window.
 */
export function createRateLimit(
  { name, rates = [] }: { name: string; rates?: readonly Rate[] },
  log: Outbox['calls'],
  { now, elapsed }: Pick<Clock, 'now' | 'elapsed'>,
) {
  const longest = rates.toSorted((one, other) => other.perSeconds - one.perSeconds)[0];
  const maxCount = Math.max(0, ...rates.map(({ count }) => count));
  const startedAt = now();
  const recent = log.since(name, startedAt - (longest?.perSeconds ?? 0) * 1000, startedAt);
  /** Ends of the last calls and of the block on the monotonic clock, so that no step of the wall clock moves them. */
  const calls = recent
    .slice(-maxCount || recent.length)
    .map((time) => elapsed() - (startedAt - time));
  let blockedUntil = elapsed() + log.blockedFor(name, startedAt);

  function freeAt({ count, perSeconds }: Rate): number {
    const oldest = calls.at(-count);
    return calls.length < count || oldest === undefined ? 0 : oldest + perSeconds * 1000;
  }

  return {
    /** Milliseconds until a call may start; 0: now. */
    waitMillis: () => Math.max(0, Math.max(blockedUntil, ...rates.map(freeAt)) - elapsed()),
    /** Number of calls that may start now under the rate with the longest window; Infinity without rates. */
    callsLeft(): number {
      if (longest === undefined) return Number.POSITIVE_INFINITY;
      const used = calls.filter((time) => time > elapsed() - longest.perSeconds * 1000).length;
      return Math.max(0, longest.count - used);
    },
    callStarted(): void {
      if (rates.length > 0) log.add(name, now());
    },
    callEnded(): void {
      calls.push(elapsed());
      if (calls.length > maxCount) calls.shift();
    },
    /** Allows no call for `millis`. */
    block(millis: number): void {
      if (elapsed() + millis <= blockedUntil) return;
      blockedUntil = elapsed() + millis;
      log.block(name, now(), millis);
    },
  };
}
