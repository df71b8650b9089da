/**
 * Chooses the threads of a batch where CHAT_THREADS is auto: one for each core that other programs leave free. Used by worker.ts.
 *
 * The threads of llama.cpp wait for each other after every operation. When one of them shares a core with another program, the
 * others spin until it runs again: beside two busy processes two threads took 2.8 s for a step that one thread does in 58 ms
 * (measured).
 */
import type { CpuTimes } from './llama/machine.ts';

export interface ThreadGovernor {
  readonly maxThreads: number;
  readonly threads: number;
  /** The last reading, which the next one is compared with. */
  readonly last: CpuTimes | undefined;
  /** Decaying mean of the cores that other programs use. */
  readonly others: number;
}

const newestWeight = 0.5;
/** Other programs must take this much of a core before it is given up, and leave it again with less than `backBelow`. */
const giveUpAbove = 0.5;
const backBelow = 0.25;

export function createThreadGovernor(maxThreads: number): ThreadGovernor {
  return { maxThreads, threads: maxThreads, last: undefined, others: 0 };
}

/** The governor after a reading; readings are taken at intervals of about half a second. */
export function govern(governor: ThreadGovernor, reading: CpuTimes): ThreadGovernor {
  const { maxThreads, last } = governor;
  if (last === undefined) return { ...governor, last: reading };
  const spent = (key: 'busyMillis' | 'ownMillis'): number => reading[key] - last[key];
  const newest = (spent('busyMillis') - spent('ownMillis')) / (reading.atMillis - last.atMillis);
  const others = governor.others + newestWeight * (Math.max(0, newest) - governor.others);
  const free = reading.cores - others;
  let { threads } = governor;
  while (threads > 1 && free < threads - giveUpAbove) threads -= 1;
  while (threads < maxThreads && free > threads + 1 - backBelow) threads += 1;
  return { maxThreads, threads, last: reading, others };
}
