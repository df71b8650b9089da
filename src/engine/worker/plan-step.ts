/** Plans one step of the scheduler from plain numbers: which sequences decode, and which prompts get how many tokens. */
import { heldBackTokens, remainingTokens, type PromptProgress } from './held-tails.ts';
import { isDeferred, splitAmongPrompts, stepTokens, type PrefillBudget } from './prefill-budget.ts';

export interface PlannedJob extends PromptProgress {
  readonly sequenceId: number;
  readonly isDecoding: boolean;
  readonly maxTokens: number;
  readonly outputTokens: number;
  /** How long its prompt has been deferred. */
  readonly deferredMillis: number;
  /** Others wait until this many of its prompt tokens are evaluated; undefined when nobody waits. */
  readonly sharedTokens: number | undefined;
}

export interface StepPlan<Job> {
  /** `slice` is a number of prompt tokens, 0 for a job that decodes. */
  readonly work: readonly { job: Job; slice: number }[];
  /** How many jobs decode. */
  readonly decoding: number;
  /** The sum of the slices. */
  readonly promptTokens: number;
  /** The first deferred prompt; the ones behind it could not have run anyway. */
  readonly deferred: Job | undefined;
}

/** `jobs` are in order of admission. */
export function planStep<Job extends PlannedJob>(
  jobs: readonly Job[],
  budget: PrefillBudget,
): StepPlan<Job> {
  const decoding = jobs.filter((job) => job.isDecoding);
  const prefilling = jobs.filter((job) => !job.isDecoding);
  const heldBack = decoding.length > 0 ? [] : heldBackTokens(prefilling);
  const deferred = prefilling.filter((job) => isDeferredBehind(job, decoding, budget));
  const slices = splitAmongPrompts(
    stepTokens(budget, decoding.length),
    prefilling.map((job, at) =>
      deferred.includes(job)
        ? 0
        : Math.min(remainingTokens(job) - (heldBack[at] ?? 0), untilShared(job)),
    ),
  );
  const work = [
    ...decoding.map((job) => ({ job, slice: 0 })),
    ...prefilling.map((job, at) => ({ job, slice: slices[at]! })).filter(({ slice }) => slice > 0),
  ];
  return {
    // llama.cpp fuses only consecutive ascending sequence ids.
    work: work.toSorted((a, b) => a.job.sequenceId - b.job.sequenceId),
    decoding: decoding.length,
    promptTokens: slices.reduce((sum, slice) => sum + slice, 0),
    deferred: deferred[0],
  };
}

/** A slice ends where the shared prefix ends: the rests of all prompts that share it are then evaluated together. */
function untilShared({ sharedTokens = Infinity, evaluatedTokens }: PlannedJob): number {
  return sharedTokens - evaluatedTokens;
}

function isDeferredBehind(
  job: PlannedJob,
  decoding: readonly PlannedJob[],
  budget: PrefillBudget,
): boolean {
  if (decoding.length === 0) return false;
  return isDeferred(budget, {
    promptTokens: remainingTokens(job),
    outputTokens: Math.max(...decoding.map((other) => other.maxTokens - other.outputTokens)),
    waitedMillis: job.deferredMillis,
  });
}
