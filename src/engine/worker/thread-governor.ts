/**
 * Chooses the threads of a batch where CHAT_THREADS is auto: as many as get a core whenever they want one. Used by worker.ts.
 *
 * The threads of llama.cpp wait for each other after every operation. When one of them shares a core with another program, the
 * others spin until it runs again: beside two busy processes two threads took 2.8 s for a step that one thread does in 58 ms
 * (measured). A program that yields its core, such as one with a higher nice value, costs nothing, so that its CPU time does not count.
 */
import type { CpuTimes } from './llama/machine.ts';

export interface ThreadGovernor {
  readonly maxThreads: number;
  readonly threads: number;
  /** The last reading, which the next one is compared with. */
  readonly last: CpuTimes | undefined;
  /** Decaying mean of `longestWait` since the number of threads changed; undefined before the first one. */
  readonly waiting: number | undefined;
  /** When one more thread is tried, in milliseconds of `atMillis`. */
  readonly tryAt: number;
  /** How long the next try is put off when this one fails. */
  readonly pauseMillis: number;
}

/** The share of its time that a thread may wait for a core. A busy process of the same priority makes it half. */
const maxWaiting = 0.25;
const newestWeight = 0.5;
/** Below this CPU time between two readings the engine is idle, and its threads say nothing. */
const leastMillis = 100;
/** A failed try takes one reading of half a second. The pause doubles after each. */
const shortestPause = 2000;
const longestPause = 64_000;
/** Cores that nobody uses are taken at once. */
const freeCores = 0.75;

export function createThreadGovernor(maxThreads: number): ThreadGovernor {
  const times = { tryAt: 0, pauseMillis: shortestPause };
  return { maxThreads, threads: maxThreads, last: undefined, waiting: 0, ...times };
}

/** The governor after a reading; readings are taken at intervals of about half a second. */
export function govern(governor: ThreadGovernor, reading: CpuTimes): ThreadGovernor {
  const { maxThreads, threads, last, tryAt, pauseMillis } = governor;
  if (last === undefined || reading.ownMillis - last.ownMillis < leastMillis) {
    return { ...governor, last: reading };
  }
  const { atMillis } = reading;
  const newest = longestWait(last, reading);
  const before = governor.waiting ?? newest;
  const waiting = before + newestWeight * (newest - before);
  const next = { ...governor, last: reading, waiting };
  if (waiting > maxWaiting) {
    if (threads === 1) return next;
    const pause = Math.min(longestPause, 2 * pauseMillis);
    const times = { tryAt: atMillis + pauseMillis, pauseMillis: pause };
    return { ...next, ...times, threads: threads - 1, waiting: undefined };
  }
  if (threads === maxThreads) {
    // Kept for as long as the pause: the last failure is over.
    return atMillis < tryAt + pauseMillis ? next : { ...next, pauseMillis: shortestPause };
  }
  const busyCores = (reading.busyMillis - last.busyMillis) / (atMillis - last.atMillis);
  const isFree = reading.cores - busyCores > freeCores;
  return isFree || atMillis >= tryAt ? { ...next, threads: threads + 1, waiting: undefined } : next;
}

/** Of the threads that computed, the largest share of time spent waiting. */
function longestWait(last: CpuTimes, reading: CpuTimes): number {
  const shares = [...reading.threads].map(([id, { ranMillis, waitedMillis }]) => {
    const before = last.threads.get(id);
    if (before === undefined) return 0;
    const ran = ranMillis - before.ranMillis;
    const waited = waitedMillis - before.waitedMillis;
    return ran + waited < leastMillis ? 0 : waited / (ran + waited);
  });
  return Math.max(0, ...shares);
}
