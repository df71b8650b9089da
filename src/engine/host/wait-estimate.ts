/**
 * Estimates when each waiting request gets a sequence, from the measured speed of the requests before it. Pure functions; used by
 * host.ts.
 *
 * An answer ends at its `max_tokens`, or earlier with the same measured chance at each token. How long it will be is unknown, so the
 * queue is played through several times with random lengths, and the median of these is the estimate.
 */

/** A request; `waits`: for how many seconds it stays in the queue before it gives up. */
export interface Waiting {
  promptTokens: number;
  maxTokens: number;
  waits: number;
}

/** A request that has a sequence. */
export interface Running extends Omit<Waiting, 'waits'> {
  /** Prompt tokens that are evaluated. */
  evaluatedTokens: number;
  outputTokens: number;
  /** Since it got its sequence. */
  promptSeconds: number;
  /** Since the end of its prompt; 0 before. */
  outputSeconds: number;
}

/** Sums over recent requests; older ones count less. */
export interface Speed {
  promptTokens: number;
  promptSeconds: number;
  outputTokens: number;
  outputSeconds: number;
  /** Output tokens of all answers, and how many of these ended before their `max_tokens`. */
  allTokens: number;
  ends: number;
}

/** Before anything is measured, an answer is expected to end after 100 tokens. */
export const unknownSpeed: Speed = {
  promptTokens: 0,
  promptSeconds: 0,
  outputTokens: 0,
  outputSeconds: 0,
  allTokens: 100,
  ends: 1,
};

/** A request counts half as much after about 35 others. */
const decay = 0.98;
const rounds = 25;

/**
 * @param how `early`: the answer ended before its `max_tokens`, for any reason; `crowded`: others waited when it ended. Answers that
 * run alone are faster, so their seconds tell nothing about a crowd.
 */
export function measureSpeed(
  speed: Speed,
  job: Running,
  how: { early: boolean; crowded: boolean },
): Speed {
  const lengths = {
    allTokens: decay * speed.allTokens + job.outputTokens,
    ends: decay * speed.ends + (how.early ? 1 : 0),
  };
  if (!how.crowded) return { ...speed, ...lengths };
  return {
    promptTokens: decay * speed.promptTokens + job.evaluatedTokens,
    promptSeconds: decay * speed.promptSeconds + job.promptSeconds,
    outputTokens: decay * speed.outputTokens + job.outputTokens,
    outputSeconds: decay * speed.outputSeconds + job.outputSeconds,
    ...lengths,
  };
}

/**
 * Seconds until each of `waiting` (in the order of admission) gets a sequence. Undefined before the first tokens are measured, and
 * without a slot.
 */
export function estimateWaits(
  speed: Speed,
  state: { slots: number; running: readonly Running[]; waiting: readonly Waiting[] },
): number[] | undefined {
  const { slots, running, waiting } = state;
  // The answers that still run tell the present speed.
  const now = running.reduce((sums, job) => add(sums, job), speed);
  if (slots === 0 || now.outputTokens === 0 || now.outputSeconds === 0) return undefined;
  const random = createRandom();
  const played = Array.from({ length: rounds }, () =>
    play(now, { slots, running, waiting }, random),
  );
  return waiting.map((_, index) => median(played.map((starts) => starts[index]!)));
}

function add(sums: Speed, job: Running): Speed {
  return {
    promptTokens: sums.promptTokens + job.evaluatedTokens,
    promptSeconds: sums.promptSeconds + job.promptSeconds,
    outputTokens: sums.outputTokens + job.outputTokens,
    outputSeconds: sums.outputSeconds + job.outputSeconds,
    allTokens: sums.allTokens + job.outputTokens,
    ends: sums.ends,
  };
}

/** One possible course: the second at which each waiting request starts. */
function play(
  speed: Speed,
  state: { slots: number; running: readonly Running[]; waiting: readonly Waiting[] },
  random: () => number,
): number[] {
  const perPromptToken = speed.promptTokens === 0 ? 0 : speed.promptSeconds / speed.promptTokens;
  const perOutputToken = speed.outputSeconds / speed.outputTokens;
  const chance = Math.min(1, speed.ends / speed.allTokens);
  const seconds = (promptTokens: number, maxTokens: number): number => {
    // The number of tokens up to an end that has the same chance at each of them.
    const natural = chance === 0 ? Infinity : Math.ceil(Math.log(random()) / Math.log1p(-chance));
    return promptTokens * perPromptToken + Math.min(natural, maxTokens) * perOutputToken;
  };
  const free = state.running.map((job) =>
    seconds(job.promptTokens - job.evaluatedTokens, job.maxTokens - job.outputTokens),
  );
  while (free.length < state.slots) free.push(0);
  return state.waiting.map(({ promptTokens, maxTokens, waits }) => {
    const slot = free.indexOf(Math.min(...free));
    const start = free[slot]!;
    if (start <= waits) free[slot] = start + seconds(promptTokens, maxTokens);
    return start;
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Numbers in (0, 1), the same ones each time, so that an estimate changes only with what it is made from (Park and Miller, 1988). */
function createRandom(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
