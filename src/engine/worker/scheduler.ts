/**
 * The one loop of the engine process. Each step evaluates one token for every sequence that decodes and slices of the prompts that
 * are prefilled, all issued together and awaited together. Between steps the KV cache can be edited, and a cancelled request
 * leaves at once. One loop per request would halve the throughput.
 */
import { monotonicMillis } from '../../../otel/clock.ts';
import type { PrefixReport } from '../engine.ts';
import { createEmbeddingJobs, type EmbeddingJobs } from './embedding-jobs.ts';
import { createJob, evaluate, scoredUntil, type Job, type JobFact } from './job.ts';
import type { LoadedModel, Prepared } from './loaded-model.ts';
import { planStep } from './plan-step.ts';
import {
  createPrefillBudget,
  measureStep,
  prefillMillis,
  stepTokens,
  type PrefillBudget,
} from './prefill-budget.ts';
import { commonLength } from './prefix-cache.ts';
import { createPrefixes, type Prefixes } from './prefix-copies.ts';
import { createSequencePool, type SequencePool } from './sequences.ts';

export interface SchedulerOptions {
  /** Called with the facts since the last call, while the next step is evaluated. */
  onFacts(facts: readonly JobFact[]): void;
  onFailed(id: number, error: unknown): void;
}

export interface Scheduler {
  /**
   * Begins as soon as a sequence is free. The prompt must fit: its tokens and `maxTokens` together stay below the context of a
   * sequence. It starts from prefixes of the same `owner` only ('' by default).
   */
  start(id: number, prepared: Prepared, owner?: string): void;
  /** Resolves with the vector of a text, or with undefined when `id` was cancelled. */
  embed(id: number, tokens: readonly number[]): Promise<readonly number[] | undefined>;
  cancel(id: number): void;
  contextTokens(): number;
  /** What copies of prefixes did since the last call. */
  takePrefixReport(): PrefixReport | undefined;
  /** Whether a step is about to be submitted to llama.cpp. A slice of other work would delay every sequence then. */
  isSubmitting(): boolean;
  /** How long the current step has been running, in milliseconds; 0 between steps. */
  stepMillis(): number;
}

interface State {
  readonly model: LoadedModel;
  readonly options: SchedulerOptions;
  readonly pool: SequencePool;
  readonly prefixes: Prefixes;
  readonly embeddings: EmbeddingJobs;
  budget: PrefillBudget;
  /** Requests without a sequence. A cancelled request keeps its sequence until the step ends. */
  readonly arrivals: Map<number, { prepared: Prepared; owner: string }>;
  /** In order of admission. */
  readonly jobs: Map<number, Job>;
  facts: JobFact[];
  isLooping: boolean;
  steps: number;
  isSubmitting: boolean;
  stepStartedAt: number | undefined;
}

export function createScheduler(model: LoadedModel, options: SchedulerOptions): Scheduler {
  const pool = createSequencePool(model.sequences);
  const state: State = {
    model,
    options,
    pool,
    prefixes: createPrefixes(model, pool, (tokens) => prefillMillis(state.budget, tokens)),
    embeddings: createEmbeddingJobs(model.embedder),
    budget: measureWarmUp(model),
    arrivals: new Map(),
    jobs: new Map(),
    facts: [],
    isLooping: false,
    steps: 0,
    isSubmitting: false,
    stepStartedAt: undefined,
  };
  return {
    start(id, prepared, owner = '') {
      state.arrivals.set(id, { prepared, owner });
      if (!state.isLooping) void loop(state);
    },
    embed(id, tokens) {
      const vector = state.embeddings.add(id, tokens);
      if (!state.isLooping) void loop(state);
      return vector;
    },
    cancel(id) {
      state.embeddings.cancel(id);
      state.arrivals.delete(id);
      const job = state.jobs.get(id);
      if (job !== undefined) job.isCancelled = true;
    },
    contextTokens: () =>
      model.sequences.reduce((sum, sequence) => sum + sequence.tokens().length, 0),
    takePrefixReport: () => state.prefixes.takeReport(),
    isSubmitting: () => state.isSubmitting,
    stepMillis: () =>
      state.stepStartedAt === undefined ? 0 : performance.now() - state.stepStartedAt,
  };
}

function measureWarmUp({ batchTokens, warmUp }: LoadedModel): PrefillBudget {
  const budget = createPrefillBudget(batchTokens);
  if (warmUp === undefined) return budget;
  const { tokens, millis } = warmUp;
  return measureStep(budget, { decoding: 0, promptTokens: tokens, millis });
}

/** A rejection ends the process: a sequence whose cache cannot be cleared is in an unknown state. */
async function loop(state: State): Promise<void> {
  const { jobs, arrivals, embeddings } = state;
  const hasWork = (): boolean => jobs.size > 0 || arrivals.size > 0 || embeddings.size() > 0;
  state.isLooping = true;
  while (hasWork()) {
    state.stepStartedAt = performance.now();
    state.isSubmitting = true;
    for (const job of jobs.values()) if (job.isCancelled) await leave(state, job);
    for (const job of jobs.values()) if (hasArrived(state, job)) await startFromPrefix(state, job);
    for (const [id, { prepared, owner }] of arrivals) await admit(state, id, prepared, owner);
    // Flush while llama.cpp is busy: the binding submits the batch one event-loop turn later. Saves 0.4 ms of idle time per step.
    setImmediate(() => setImmediate(submitted, state));
    await step(state);
    state.stepStartedAt = undefined;
  }
  flush(state);
  state.isLooping = false;
  state.isSubmitting = false;
}

function submitted(state: State): void {
  state.isSubmitting = false;
  flush(state);
}

function flush(state: State): void {
  if (state.facts.length > 0) state.options.onFacts(state.facts);
  state.facts = [];
}

async function admit(state: State, id: number, prepared: Prepared, owner: string): Promise<void> {
  const taken = state.pool.take(prepared.prompt, owner, state.prefixes.isWorthMoving);
  if (taken === undefined) return;
  state.arrivals.delete(id);
  const { sequence } = taken;
  const admittedAtStep = state.steps;
  const job = createJob(state.model, { id, prepared, sequence, owner, admittedAtStep });
  state.jobs.set(id, job);
  state.facts.push({ id, type: 'started', at: monotonicMillis() });
  await startFromPrefix(state, job, taken);
}

/** Before the step: during it the edit of the cache would delay the batch of the other sequences. A failed edit fails the request. */
async function startFromPrefix(
  state: State,
  job: Job,
  taken: { reusable: number; owner: string } = {
    reusable: job.evaluatedTokens,
    owner: job.owner,
  },
): Promise<void> {
  const { sequence, owner } = job;
  // Log-probabilities of a prompt need its evaluation.
  const isScored = job.scores !== undefined;
  const prompt = { owner, tokens: isScored ? [] : job.prepared.prompt };
  const reusable = isScored ? 0 : taken.reusable;
  try {
    const held = await state.prefixes.place({ ...taken, reusable, sequence }, prompt);
    job.evaluatedTokens = held.cachedTokens;
    job.cachedTokens = held.cachedTokens;
    job.copiedTokens = Math.max(held.copiedTokens, Math.min(job.copiedTokens, held.cachedTokens));
    job.awaited = isScored ? undefined : findAwaited(state, job);
  } catch (error) {
    await fail(state, job, error);
  }
}

/** The prompt admitted before this one that is about to evaluate the longest prefix that both share. */
function findAwaited({ jobs, prefixes }: State, job: Job): Job['awaited'] {
  const { prompt } = job.prepared;
  const earlier = [...jobs.values()].slice(0, [...jobs.keys()].indexOf(job.id));
  const [longest] = earlier
    .filter((other) => other.owner === job.owner && !other.isDecoding && !other.isCancelled)
    .filter((other) => other.evaluatedTokens >= job.evaluatedTokens)
    .map((other) => {
      const tokens = Math.min(prompt.length - 1, commonLength(other.prepared.prompt, prompt));
      return { job: other, tokens };
    })
    .filter((other) => other.job.evaluatedTokens < other.tokens)
    .toSorted((a, b) => b.tokens - a.tokens);
  if (longest === undefined) return undefined;
  const { tokens } = longest;
  return prefixes.isWorthCopying(tokens - job.evaluatedTokens, tokens) ? longest : undefined;
}

function markShared({ jobs }: State): void {
  for (const job of jobs.values()) {
    const until = scoredUntil(job);
    job.sharedTokens = until === Infinity ? undefined : until;
  }
  for (const { awaited } of jobs.values()) {
    if (awaited === undefined) continue;
    const { job, tokens } = awaited;
    job.sharedTokens = Math.min(tokens, job.sharedTokens ?? Infinity);
  }
}

/** Whether the prefix that the job waits for is evaluated, or will never be. */
function hasArrived({ jobs }: State, { awaited }: Job): boolean {
  if (awaited === undefined) return false;
  const { job, tokens } = awaited;
  return jobs.get(job.id) !== job || job.evaluatedTokens >= tokens;
}

async function step(state: State): Promise<void> {
  state.steps += 1;
  markShared(state);
  // While texts wait to be embedded, they and the prompts take turns.
  const isForTexts = state.embeddings.size() > 0 && state.steps % 2 === 0;
  const jobs = [...state.jobs.values()].filter(
    ({ awaited, isDecoding }) => awaited === undefined && (isDecoding || !isForTexts),
  );
  if (isForTexts || jobs.every(({ isDecoding }) => isDecoding)) await embedSlice(state);
  const plan = planStep(jobs, state.budget);
  const { work, decoding, promptTokens, deferred } = plan;
  const startedAt = performance.now();
  await Promise.all(work.map(({ job, slice }) => run(state, job, slice)));
  const millis = performance.now() - startedAt;
  if (deferred !== undefined) deferred.deferredMillis += millis;
  if (work.length === 0) return;
  state.budget = measureStep(state.budget, { decoding, promptTokens, millis });
}

/** Takes the place of prompt tokens in a step. */
async function embedSlice(state: State): Promise<void> {
  const decoding = [...state.jobs.values()].filter(({ isDecoding }) => isDecoding).length;
  const startedAt = performance.now();
  const promptTokens = await state.embeddings.step(stepTokens(state.budget, decoding));
  const millis = performance.now() - startedAt;
  if (promptTokens === 0) return;
  state.budget = measureStep(state.budget, { decoding: 0, promptTokens, millis });
}

async function run(state: State, job: Job, slice: number): Promise<void> {
  try {
    const facts = await evaluate(state.model, job, slice);
    state.facts.push(...facts);
    if (facts.at(-1)?.type === 'ended') await leave(state, job);
  } catch (error) {
    await fail(state, job, error);
  }
}

async function leave(state: State, job: Job): Promise<void> {
  await job.output?.return();
  state.jobs.delete(job.id);
  state.pool.give(job.sequence);
}

/** The evaluations of one batch fail together; each request gets the error, and the loop goes on. */
async function fail(state: State, job: Job, error: unknown): Promise<void> {
  // The cache is in an unknown state after a failed evaluation.
  await job.sequence.truncate(0);
  state.jobs.delete(job.id);
  state.pool.give(job.sequence);
  state.options.onFailed(job.id, error);
}
