/**
 * The one loop of the engine process. Each step evaluates one token for every request that decodes and a slice of the
 * prompts of those that do not yet, all issued together and awaited together; between steps the KV cache is free to be
 * edited and a cancelled request leaves at once. A loop for each request would halve the speed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { epochMillis } from '../../../otel/clock.ts';
import { createAnswerText, type AnswerText } from './answer-text.ts';
import { waitingEnds, type PromptProgress } from './company.ts';
import type { Fact, FinishReason, TokenLogprob } from '../engine.ts';
import type { Decoded, LoadedModel, Prepared, Sequence } from './loaded-model.ts';
import { createPrefillBudget, shareOut } from './prefill-budget.ts';
import { createSequencePool } from './sequences.ts';

export interface SchedulerOptions {
  /** What happened since the last time, told while the next step is evaluated. */
  onFacts(facts: readonly (Fact & { id: number })[]): void;
  onFailed(id: number, error: unknown): void;
  /** Whether requests are about to start: they are being counted, or just were. */
  isExpecting(): boolean;
}

export interface Scheduler {
  /**
   * Begins as soon as a sequence is free. The prompt must fit: its tokens and `maxTokens` together stay below the
   * context of a sequence.
   */
  start(id: number, prepared: Prepared): void;
  cancel(id: number): void;
  contextTokens(): number;
  /** For how long the step that runs now has been running, in milliseconds; 0 while there is none. */
  stepMillis(): number;
}

interface Job {
  id: number;
  prepared: Prepared;
  maxTokens: number;
  sequence: Sequence;
  cachedTokens: number;
  /** The step that was next when it came. */
  cameAt: number;
  /** For how long its prompt has waited for those who decode. */
  deferredMillis: number;
  /** Prompt tokens in the cache so far. */
  evaluated: number;
  prefillStartedAt: number | undefined;
  outputTokens: number;
  answer: AnswerText;
  /** Undefined until the last slice of the prompt is issued. */
  output: AsyncGenerator<Decoded, void, void> | undefined;
  cancelled: boolean;
}

/**
 * Of the time that reading it takes, for how long the first prompt after a rest waits for those that come in the same moment:
 * one that misses the first step is read beside somebody who decodes, which may double the time to its first token.
 */
const gatherShare = 1 / 400;
const longestGatherMillis = 20;

function unread(job: Job): number {
  return job.prepared.prompt.length - job.evaluated;
}

function progressOf(job: Job): PromptProgress {
  const promptTokens = job.prepared.prompt.length;
  const { cachedTokens, cameAt } = job;
  return { promptTokens, unread: unread(job), toRead: promptTokens - cachedTokens, cameAt };
}

export function createScheduler(model: LoadedModel, options: SchedulerOptions): Scheduler {
  const pool = createSequencePool(model.sequences);
  const budget = createPrefillBudget({ batchTokens: model.batchTokens });
  /** Not yet on a sequence: one that was cancelled keeps its own until the step ends. */
  const arrivals = new Map<number, Prepared>();
  /** In order of admission. */
  const jobs = new Map<number, Job>();
  let facts: (Fact & { id: number })[] = [];
  let looping = false;
  let steps = 0;
  let stepStartedAt: number | undefined;

  /** A rejection of the loop itself ends the process: the state of a sequence that cannot be cleared is not known. */
  async function loop(): Promise<void> {
    looping = true;
    for (let isFirst = true; jobs.size > 0 || arrivals.size > 0; isFirst = false) {
      stepStartedAt = performance.now();
      for (const job of jobs.values()) if (job.cancelled) await leave(job);
      await admitAll();
      if (isFirst) await gather();
      // While llama.cpp is at work, which the library gives it one turn later: it stands still for 0.4 ms a step less.
      setImmediate(() => setImmediate(flush));
      await step(isFirst);
      stepStartedAt = undefined;
    }
    flush();
    looping = false;
  }

  function flush(): void {
    if (facts.length > 0) options.onFacts(facts);
    facts = [];
  }

  async function admitAll(): Promise<void> {
    for (const [id, prepared] of arrivals) await admit(id, prepared);
  }

  async function gather(): Promise<void> {
    const tokens = [...jobs.values()].reduce((sum, job) => sum + unread(job), 0);
    const millis = Math.min(longestGatherMillis, budget.readingMillis(tokens) * gatherShare);
    if (millis < 1 || options.isExpecting()) return;
    await delay(millis);
    await admitAll();
  }

  async function admit(id: number, prepared: Prepared): Promise<void> {
    const taken = pool.take(prepared.prompt);
    if (taken === undefined) return;
    arrivals.delete(id);
    const { sequence, reusable } = taken;
    const { stop, maxTokens } = prepared.request.sampling;
    const room = model.facts.contextTokens - prepared.prompt.length - 1;
    const job: Job = {
      id,
      prepared,
      maxTokens: Math.min(maxTokens ?? room, room),
      sequence,
      cachedTokens: reusable,
      cameAt: steps,
      deferredMillis: 0,
      evaluated: reusable,
      prefillStartedAt: undefined,
      outputTokens: 0,
      answer: createAnswerText({ stop, detokenize: model.detokenize }),
      output: undefined,
      cancelled: false,
    };
    jobs.set(id, job);
    facts.push({ id, type: 'started', at: epochMillis() });
    // Before the step: an edit of the cache would come too late for the batch of the others.
    if (sequence.tokens().length > reusable) {
      await sequence.truncate(reusable).catch((error: unknown) => fail(job, error));
    }
  }

  async function step(isFirst: boolean): Promise<void> {
    steps += 1;
    const decoders = [...jobs.values()].filter((job) => job.output !== undefined);
    const readers = [...jobs.values()].filter((job) => job.output === undefined);
    // Those that come in the same moment as the first get into the second step.
    const isExpecting = isFirst && options.isExpecting();
    const ends = decoders.length > 0 ? [] : waitingEnds(readers.map(progressOf), isExpecting);
    const deferred = readers.filter((job) => isDeferred(job, decoders));
    const slices = shareOut(
      budget.tokens(decoders.length),
      readers.map((job, at) => (deferred.includes(job) ? 0 : unread(job) - (ends[at] ?? 0))),
    );
    const work = [
      ...decoders.map((job) => ({ job, slice: 0 })),
      ...readers.map((job, at) => ({ job, slice: slices[at]! })).filter(({ slice }) => slice > 0),
    ];
    const promptTokens = work.reduce((sum, { slice }) => sum + slice, 0);
    const startedAt = performance.now();
    // llama.cpp fuses only consecutive ascending sequence ids.
    work.sort((a, b) => a.job.sequence.id - b.job.sequence.id);
    await Promise.all(
      work.map(({ job, slice }) =>
        evaluate(job, slice).catch((error: unknown) => fail(job, error)),
      ),
    );
    const millis = performance.now() - startedAt;
    // Those behind it would not have been read yet.
    if (deferred[0] !== undefined) deferred[0].deferredMillis += millis;
    if (work.length > 0) budget.measure({ decoding: decoders.length, promptTokens, millis });
  }

  function isDeferred(job: Job, decoders: readonly Job[]): boolean {
    if (decoders.length === 0) return false;
    const outputTokens = Math.max(...decoders.map((other) => other.maxTokens - other.outputTokens));
    return budget.isDeferred({
      promptTokens: unread(job),
      outputTokens,
      waitedMillis: job.deferredMillis,
    });
  }

  async function evaluate(job: Job, slice: number): Promise<void> {
    if (job.output === undefined) {
      const { prompt } = job.prepared;
      const tokens = prompt.slice(job.evaluated, job.evaluated + slice);
      job.prefillStartedAt ??= epochMillis();
      if (job.evaluated + slice < prompt.length) {
        await job.sequence.prefill(tokens);
        job.evaluated += slice;
        return;
      }
      // The last slice and the first output token are one evaluation.
      job.output = job.prepared.decode(job.sequence, tokens);
    }
    const next = await job.output.next();
    const at = epochMillis();
    if (job.evaluated < job.prepared.prompt.length) endPrefill(job, at);
    if (next.done === true) return end(job, 'stop', job.answer.flush());
    job.outputTokens += 1;
    const { text, stopped } = job.answer.push(next.value.token);
    facts.push({ id: job.id, type: 'token', at, text, ...logprobOf(next.value) });
    if (stopped) return end(job, 'stop', '');
    if (job.outputTokens >= job.maxTokens) return end(job, 'length', job.answer.flush());
  }

  function endPrefill(job: Job, endedAt: number): void {
    job.evaluated = job.prepared.prompt.length;
    facts.push({
      id: job.id,
      type: 'prefilled',
      startedAt: job.prefillStartedAt!,
      endedAt,
      inputTokens: job.evaluated,
      cachedTokens: job.cachedTokens,
    });
  }

  function logprobOf({
    token,
    logprob,
    top = [],
  }: Decoded): Pick<Fact & { type: 'token' }, 'logprob'> {
    if (logprob === undefined) return {};
    return {
      logprob: {
        ...describeToken(token, logprob),
        top: top.map(([other, itsLogprob]) => describeToken(other, itsLogprob)),
      },
    };
  }

  function describeToken(token: number, logprob: number): TokenLogprob {
    const bytes = model.bytesOf(token);
    return { token: Buffer.from(bytes).toString(), bytes, logprob };
  }

  async function end(job: Job, finishReason: FinishReason, text: string): Promise<void> {
    facts.push({ id: job.id, type: 'ended', at: epochMillis(), finishReason, text });
    await leave(job);
  }

  async function leave(job: Job): Promise<void> {
    await job.output?.return();
    jobs.delete(job.id);
    pool.give(job.sequence);
  }

  /** Evaluations of one batch fail together; each request is told, and the loop goes on with those that come. */
  async function fail(job: Job, error: unknown): Promise<void> {
    // What a failed evaluation left behind is not known.
    await job.sequence.truncate(0);
    jobs.delete(job.id);
    pool.give(job.sequence);
    options.onFailed(job.id, error);
  }

  return {
    start(id, prepared) {
      arrivals.set(id, prepared);
      if (!looping) void loop();
    },
    cancel(id) {
      arrivals.delete(id);
      const job = jobs.get(id);
      if (job !== undefined) job.cancelled = true;
    },
    contextTokens: () =>
      model.sequences.reduce((sum, sequence) => sum + sequence.tokens().length, 0),
    stepMillis: () => (stepStartedAt === undefined ? 0 : performance.now() - stepStartedAt),
  };
}
