/** Time as the notifier sees it, so that a test can let ten minutes pass at once. */
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

/** Does a task again and again, `everyMillis` after it ended. Answers how to stop: resolves when a running one is through. */
export function repeat(
  { sleep }: Clock,
  everyMillis: number,
  task: () => Promise<void> | void,
): () => Promise<void> {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await task();
      await sleep(everyMillis, stopping.signal);
    }
  })();
  return () => {
    stopping.abort();
    return running;
  };
}
