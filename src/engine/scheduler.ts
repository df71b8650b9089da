/**
 * The one loop of the engine process. Each step evaluates one token for every request that decodes and a slice of the
 * prompts of those that do not yet, all issued together and awaited together; between steps the KV cache is free to be
 * edited and a cancelled request leaves at once. A loop for each request would halve the speed.
 */
import { epochMillis } from '../clock.ts';
import { createAnswerText, type AnswerText } from './answer-text.ts';
import type { Fact, FinishReason, GenerationRequest } from './engine.ts';
import { batchTokens, type LoadedModel, type Sequence } from './llama.ts';
import { createSequencePool } from './sequences.ts';

export interface SchedulerReports {
  /** All facts of one step. */
  facts(facts: readonly (Fact & { id: number })[]): void;
  failed(id: number, error: unknown): void;
}

export interface Scheduler {
  /** `prompt` must fit: its tokens and `maxTokens` together stay below the sequence's context. */
  start(id: number, prompt: readonly number[], request: GenerationRequest): void;
  cancel(id: number): void;
  contextTokens(): number;
}

interface Job {
  id: number;
  prompt: readonly number[];
  request: GenerationRequest;
  maxTokens: number;
  sequence: Sequence;
  cachedTokens: number;
  /** Prompt tokens in the cache so far. */
  evaluated: number;
  startedAt: number;
  outputTokens: number;
  answer: AnswerText;
  iterator: AsyncGenerator<number, void, void> | undefined;
  cancelled: boolean;
}

export function createScheduler(model: LoadedModel, reports: SchedulerReports): Scheduler {
  const pool = createSequencePool(model.sequences);
  const jobs = new Map<number, Job>();
  let looping = false;
  let facts: (Fact & { id: number })[] = [];

  function start(id: number, prompt: readonly number[], request: GenerationRequest): void {
    const taken = pool.take(prompt);
    if (taken === undefined) {
      reports.failed(id, new Error(`no sequence is free for request ${id}`));
      return;
    }
    const room = model.facts.contextTokens - prompt.length - 1;
    jobs.set(id, {
      id,
      prompt,
      request,
      maxTokens: Math.min(request.sampling.maxTokens ?? room, room),
      sequence: taken.sequence,
      cachedTokens: taken.reusable,
      evaluated: taken.reusable,
      startedAt: epochMillis(),
      outputTokens: 0,
      answer: createAnswerText({
        stop: request.sampling.stop,
        detokenize: model.detokenize,
      }),
      iterator: undefined,
      cancelled: false,
    });
    facts.push({ id, type: 'started', at: epochMillis() });
    if (!looping) void loop();
  }

  async function loop(): Promise<void> {
    looping = true;
    while (jobs.size > 0) {
      await step([...jobs.values()].toSorted((a, b) => a.sequence.id - b.sequence.id));
      reports.facts(facts);
      facts = [];
    }
    looping = false;
  }

  async function step(inOrder: readonly Job[]): Promise<void> {
    let prefillBudget = Math.max(1, batchTokens - inOrder.filter((job) => job.iterator).length);
    const work: Promise<void>[] = [];
    for (const job of inOrder) {
      if (job.cancelled) {
        work.push(leave(job));
        continue;
      }
      // The last prompt token belongs to the first decode step.
      const left = job.prompt.length - 1 - job.evaluated;
      const slice = Math.min(left, prefillBudget);
      prefillBudget -= slice;
      if (left > 0 && slice === 0) continue;
      work.push(
        (slice > 0 ? prefill(job, slice) : decode(job)).catch((error: unknown) => fail(job, error)),
      );
    }
    await Promise.all(work);
  }

  async function prefill(job: Job, count: number): Promise<void> {
    await forgetWhatDiffers(job);
    const slice = job.prompt.slice(job.evaluated, job.evaluated + count);
    await job.sequence.prefill(slice);
    job.evaluated += count;
  }

  async function forgetWhatDiffers(job: Job): Promise<void> {
    if (job.sequence.tokens().length > job.evaluated) await job.sequence.truncate(job.evaluated);
  }

  async function decode(job: Job): Promise<void> {
    if (job.iterator === undefined) {
      await forgetWhatDiffers(job);
      job.iterator = job.sequence.decode(job.prompt.slice(-1), job.request.sampling);
    }
    const next = await job.iterator.next();
    const at = epochMillis();
    if (job.evaluated < job.prompt.length) {
      job.evaluated = job.prompt.length;
      facts.push({
        id: job.id,
        type: 'prefilled',
        startedAt: job.startedAt,
        endedAt: at,
        inputTokens: job.prompt.length,
        cachedTokens: job.cachedTokens,
      });
    }
    if (next.done === true) return end(job, 'stop', job.answer.flush());
    job.outputTokens += 1;
    const { text, stopped } = job.answer.push(next.value);
    facts.push({ id: job.id, type: 'token', at, text });
    if (stopped) return end(job, 'stop', '');
    if (job.outputTokens >= job.maxTokens) return end(job, 'length', job.answer.flush());
  }

  async function end(job: Job, finishReason: FinishReason, text: string): Promise<void> {
    facts.push({ id: job.id, type: 'ended', at: epochMillis(), finishReason, text });
    await leave(job);
  }

  async function leave(job: Job): Promise<void> {
    jobs.delete(job.id);
    await job.iterator?.return();
    pool.give(job.sequence);
  }

  async function fail(job: Job, error: unknown): Promise<void> {
    await leave(job);
    // What a failed evaluation left behind is not known.
    await job.sequence.truncate(0);
    reports.failed(job.id, error);
  }

  return {
    start,
    cancel(id) {
      const job = jobs.get(id);
      if (job !== undefined) job.cancelled = true;
    },
    contextTokens: () =>
      model.sequences.reduce((sum, sequence) => sum + sequence.tokens().length, 0),
  };
}
