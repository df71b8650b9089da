/**
 * Chooses the number of threads by what a step costs: all cores, and fewer while another program makes llama.cpp's threads wait for
 * each other. Pure functions, used by scheduler.ts where CHAT_THREADS is auto.
 *
 * A trial is one step with another number of threads. It is compared with the step before it, which decoded as many sequences.
 */

export interface ThreadGovernor {
  /** Threads outside of trials. */
  readonly threads: number;
  readonly maxThreads: number;
  /** Counts the targets of trials, see `targets`. */
  readonly turn: number;
  /** Decaying mean of what each target gains: ln(cost now / cost then). */
  readonly gains: Readonly<Record<number, number>>;
  /** Milliseconds of steps until the next trial. */
  readonly restMillis: number;
  /** The last step, if it was no trial. */
  readonly last: Step | undefined;
}

/** A step that only decodes; prompt slices differ too much in size to be compared. */
interface Step {
  readonly decoding: number;
  readonly millis: number;
}

/** Share of the time that trials may lose. */
const trialShare = 0.01;
/** Shorter steps are not compared: the timer's noise is larger than the difference. */
const minStepMillis = 5;
/** A change needs this mean gain (5 %). With the next two numbers, at least two trials. */
const minGain = 0.05;
const newestWeight = 0.15;
/** Upper limit of what one trial counts, because a step may be disturbed. */
const maxGain = 0.3;

export function createThreadGovernor(maxThreads: number): ThreadGovernor {
  const unknown = { turn: 0, gains: {}, restMillis: 0, last: undefined };
  return { threads: maxThreads, maxThreads, ...unknown };
}

/** Threads of the next step, which decodes `decoding` sequences, and evaluates prompt tokens if `hasPrompt`. */
export function threadsOfStep(
  governor: ThreadGovernor,
  { decoding, hasPrompt }: { decoding: number; hasPrompt: boolean },
): number {
  const { last, restMillis, threads } = governor;
  const isComparable =
    !hasPrompt && last?.decoding === decoding && last.millis >= minStepMillis && restMillis <= 0;
  return isComparable ? (nextTarget(governor) ?? threads) : threads;
}

/** The governor after a step that had `threadsOfStep`. */
export function measureThreads(
  governor: ThreadGovernor,
  step: { threads: number; decoding: number; hasPrompt: boolean; millis: number },
): ThreadGovernor {
  const { last, gains, maxThreads, turn } = governor;
  const { threads, millis } = step;
  if (threads === governor.threads || last === undefined) {
    const restMillis = governor.restMillis - millis;
    return { ...governor, restMillis, last: step.hasPrompt ? undefined : step };
  }
  const newest = Math.log(last.millis / millis);
  const limited = Math.max(-maxGain, Math.min(maxGain, newest));
  const before = gains[threads] ?? 0;
  const gain = before + newestWeight * (limited - before);
  if (gain > minGain) {
    const back = { [governor.threads]: -gain };
    return { ...createThreadGovernor(maxThreads), threads, gains: back };
  }
  return {
    ...governor,
    turn: newest > 0 ? turn : turn + 1,
    gains: { ...gains, [threads]: gain },
    restMillis: Math.max(0, millis - last.millis) / trialShare,
    last: undefined,
  };
}

/**
 * The neighbours, and half and double: where three of eight cores are busy, seven threads are as slow as eight. Undefined where only
 * one thread is allowed.
 */
function nextTarget({ threads, maxThreads, turn }: ThreadGovernor): number | undefined {
  const targets = [threads - 1, threads + 1, Math.floor(threads / 2), 2 * threads].filter(
    (target) => target >= 1 && target <= maxThreads,
  );
  return targets[turn % targets.length];
}
