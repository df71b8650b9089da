/** How long a poller waits until its next request. */

/** The first delay after a failure, unless the path is polled more often; it doubles with each further one. */
export const firstRetrySeconds = 5;
const mostRetrySeconds = 20;

interface Situation {
  /** Failures since the last successful answer. */
  failures: number;
  /** What the views that show the path ask for; 0: read once. */
  wantedSeconds: readonly number[];
  /** From the last failure. */
  retryAfterSeconds: number | undefined;
}

/** 0: there is no next request. */
export function secondsUntilNext(situation: Situation): number {
  const { failures, wantedSeconds, retryAfterSeconds = 0 } = situation;
  const seconds = Math.min(...wantedSeconds.filter((wanted) => wanted > 0));
  if (failures === 0) return Number.isFinite(seconds) ? seconds : 0;
  const backoff = Math.min(seconds, firstRetrySeconds) * 2 ** (failures - 1);
  return Math.max(Math.min(mostRetrySeconds, backoff), retryAfterSeconds);
}
