/**
 * Chooses the number of threads by what a step costs: all cores, and fewer while another program makes llama.cpp's threads wait for
 * each other. Pure functions, used by scheduler.ts where CHAT_THREADS is auto.
 *
 * A trial is one step with another number of threads. It is compared with the steps before it, which decoded as many sequences.
 */

export interface ThreadGovernor {
  /** Threads outside of trials. */
  readonly threads: number;
  readonly maxThreads: number;
  /** Counts the targets of trials, see `targets`. */
  readonly turn: number;
  /** Decaying mean of what a step costs with each target, as a multiple of what it costs now. */
  readonly ratios: Readonly<Record<number, number>>;
  /** Milliseconds of steps until the next trial. */
  readonly restMillis: number;
  /** Decaying mean of the steps since the last trial; undefined right after it. */
  readonly usual: Step | undefined;
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
/**
 * A change needs a mean ratio below this. Means, not medians: beside a busy process some steps of two threads take their usual time
 * and others ten times as long.
 */
const enough = 0.95;
const newestTrialWeight = 0.1;
/** Limits of one trial, because any step may be disturbed: at least two trials are needed. */
const [minRatio, maxRatio] = [0.5, 4];
const newestStepWeight = 0.2;

export function createThreadGovernor(maxThreads: number): ThreadGovernor {
  const unknown = { turn: 0, ratios: {}, restMillis: 0, usual: undefined };
  return { threads: maxThreads, maxThreads, ...unknown };
}

/** Threads of the next step, which decodes `decoding` sequences, and evaluates prompt tokens if `hasPrompt`. */
export function threadsOfStep(
  governor: ThreadGovernor,
  { decoding, hasPrompt }: { decoding: number; hasPrompt: boolean },
): number {
  const { usual, restMillis, threads } = governor;
  const isComparable =
    !hasPrompt && usual?.decoding === decoding && usual.millis >= minStepMillis && restMillis <= 0;
  return isComparable ? (nextTarget(governor) ?? threads) : threads;
}

/** The governor after a step that had `threadsOfStep`. */
export function measureThreads(
  governor: ThreadGovernor,
  step: { threads: number; decoding: number; hasPrompt: boolean; millis: number },
): ThreadGovernor {
  const { usual, ratios, maxThreads, turn } = governor;
  const { threads, millis } = step;
  if (threads === governor.threads || usual === undefined) {
    const restMillis = governor.restMillis - millis;
    return { ...governor, restMillis, usual: step.hasPrompt ? undefined : average(usual, step) };
  }
  const newest = Math.max(minRatio, Math.min(maxRatio, millis / usual.millis));
  const before = ratios[threads] ?? 1;
  const ratio = before + newestTrialWeight * (newest - before);
  if (ratio < enough) {
    const back = { [governor.threads]: 1 / ratio };
    return { ...createThreadGovernor(maxThreads), threads, ratios: back };
  }
  return {
    ...governor,
    turn: newest < 1 ? turn : turn + 1,
    ratios: { ...ratios, [threads]: ratio },
    restMillis: Math.max(0, millis - usual.millis) / trialShare,
    usual: undefined,
  };
}

function average(usual: Step | undefined, { decoding, millis }: Step): Step {
  if (usual?.decoding !== decoding) return { decoding, millis };
  const limited = Math.min(millis, maxRatio * usual.millis);
  return { decoding, millis: usual.millis + newestStepWeight * (limited - usual.millis) };
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
