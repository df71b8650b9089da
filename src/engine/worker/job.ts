/** A request on its sequence, and the evaluation of a slice of its prompt or of its next token. Used by scheduler.ts. */
import { monotonicMillis } from '../../../otel/clock.ts';
import { type Fact, type FinishReason, type PromptToken, type TokenLogprob } from '../engine.ts';
import { createAnswerText, type AnswerText } from './answer-text.ts';
import { bareCallsOf, callOpening } from './bare-calls.ts';
import type { Decoded, LoadedModel, Prepared, Sequence } from './loaded-model.ts';
import type { PlannedJob } from './plan-step.ts';

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface Job extends Writable<PlannedJob> {
  readonly id: number;
  readonly prepared: Prepared;
  readonly sequence: Sequence;
  /** Whose prefixes its prompt may start from. */
  readonly owner: string;
  /** Cached tokens that came by a copy. */
  copiedTokens: number;
  /** Its prompt waits until `job` has evaluated the `tokens` that both share. */
  awaited: { job: Job; tokens: number } | undefined;
  readonly answer: AnswerText;
  prefillStartedAt: number | undefined;
  /** Tokens of the prompt with their log-probabilities, if the request asks for them; the first one has none. */
  readonly scores: Decoded[] | undefined;
  /** Undefined until the last slice of the prompt is evaluated. */
  output: AsyncGenerator<Decoded, void, void> | undefined;
  isCancelled: boolean;
}

export type JobFact = Fact & { id: number };
type Ended = Extract<Fact, { type: 'ended' }> & { id: number };

export function createJob(
  model: LoadedModel,
  admitted: {
    id: number;
    prepared: Prepared;
    sequence: Sequence;
    owner: string;
    admittedAtStep: number;
  },
): Job {
  const { prepared, sequence } = admitted;
  const { request } = prepared;
  const { stop, maxTokens } = request.sampling;
  const opening = request.format?.kind === 'tool_calls' ? callOpening : undefined;
  const bareCalls = bareCallsOf(request.format);
  const promptTokens = prepared.prompt.length;
  const room = model.facts.contextTokens - promptTokens - 1;
  return {
    ...admitted,
    sequenceId: sequence.id,
    promptTokens,
    evaluatedTokens: 0,
    cachedTokens: 0,
    copiedTokens: 0,
    awaited: undefined,
    sharedTokens: undefined,
    maxTokens: Math.min(maxTokens ?? room, room),
    outputTokens: 0,
    isDecoding: false,
    deferredMillis: 0,
    answer: createAnswerText({ stop, opening, bareCalls, detokenize: model.detokenize }),
    prefillStartedAt: undefined,
    scores: request.echo === true && request.sampling.topLogprobs !== undefined ? [] : undefined,
    output: undefined,
    isCancelled: false,
  };
}

/** With 152,000 tokens a log-probability takes 15 ms: eight of them delay other answers by an eighth of a second. */
const scoredTokens = 8;

/** Evaluates `slice` tokens of the prompt, or one output token. @returns the facts; the last one is `ended` if the answer is. */
export async function evaluate(model: LoadedModel, job: Job, slice: number): Promise<JobFact[]> {
  if (job.output === undefined) {
    const { prompt } = job.prepared;
    const tokens = prompt.slice(job.evaluatedTokens, job.evaluatedTokens + slice);
    job.prefillStartedAt ??= monotonicMillis();
    if (job.evaluatedTokens + slice < job.promptTokens) {
      await evaluatePrompt(job, tokens);
      job.evaluatedTokens += slice;
      return [describePrefill(job)];
    }
    // The last slice and the first output token are one evaluation.
    job.output = job.prepared.decode(job.sequence, tokens);
    job.isDecoding = true;
  }
  const next = await job.output.next();
  const at = monotonicMillis();
  const prefilled = job.evaluatedTokens < job.promptTokens ? endPrompt(model, job, at) : [];
  if (job.maxTokens === 0) return [...prefilled, ended(job, 'length', '')];
  if (next.done === true) return [...prefilled, ended(job, 'stop', job.answer.flush())];
  job.outputTokens += 1;
  const { text, stopped } = job.answer.push(next.value.token);
  const logprob = describeLogprob(model, next.value);
  const facts: JobFact[] = [...prefilled, { id: job.id, type: 'token', at, text, ...logprob }];
  if (stopped !== undefined)
    return [...facts, { ...ended(job, 'stop', ''), stopSequence: stopped }];
  if (job.outputTokens < job.maxTokens) return facts;
  return [...facts, ended(job, 'length', job.answer.flush())];
}

async function evaluatePrompt(job: Job, tokens: readonly number[]): Promise<void> {
  if (job.scores === undefined) return job.sequence.prefill(tokens);
  const { prompt, request } = job.prepared;
  const from = job.evaluatedTokens + 1;
  const next = prompt.slice(from, from + tokens.length);
  const { topLogprobs = 0 } = request.sampling;
  job.scores.push(...(await job.sequence.score(tokens, next, topLogprobs)));
}

/** Where the next slice of a prompt with log-probabilities has to end. The last token is a slice of its own: it is scored by none. */
export function scoredUntil({ scores, evaluatedTokens, promptTokens }: Job): number {
  const last = promptTokens - 1;
  if (scores === undefined || evaluatedTokens >= last) return Infinity;
  return Math.min(last, evaluatedTokens + scoredTokens);
}

function describePrefill({ id, evaluatedTokens, promptTokens, cachedTokens }: Job): JobFact {
  const tokens = { evaluatedTokens, inputTokens: promptTokens, cachedTokens };
  return { id, type: 'prefilling', at: monotonicMillis(), ...tokens };
}

function endPrompt(model: LoadedModel, job: Job, at: number): JobFact[] {
  const prefilled = endPrefill(job, at);
  const { prompt, request } = job.prepared;
  if (request.echo !== true) return [prefilled];
  const describe = createDescription(model);
  const tokens = prompt.map((token, index): PromptToken => {
    const score = index === 0 ? undefined : job.scores?.[index - 1];
    const top = (score?.top ?? []).map(([other, value]) => describe(other, value));
    return Object.assign(describe(token, 0), { logprob: score?.logprob ?? null, top });
  });
  return [prefilled, { id: job.id, type: 'prompt', tokens }];
}

function endPrefill(job: Job, endedAt: number): JobFact {
  job.evaluatedTokens = job.promptTokens;
  return {
    id: job.id,
    type: 'prefilled',
    startedAt: job.prefillStartedAt!,
    endedAt,
    inputTokens: job.promptTokens,
    cachedTokens: job.cachedTokens,
    copiedTokens: job.copiedTokens,
  };
}

function ended({ id }: Job, finishReason: FinishReason, text: string): Ended {
  return { id, type: 'ended', at: monotonicMillis(), finishReason, text };
}

function describeLogprob(
  model: LoadedModel,
  { token, logprob, top = [] }: Decoded,
): Pick<Fact & { type: 'token' }, 'logprob'> {
  if (logprob === undefined) return {};
  const describe = createDescription(model);
  return {
    logprob: {
      ...describe(token, logprob),
      top: top.map(([other, value]) => describe(other, value)),
    },
  };
}

function createDescription(model: LoadedModel) {
  return (token: number, logprob: number): TokenLogprob => {
    const bytes = model.bytesOf(token);
    return { token: Buffer.from(bytes).toString(), bytes, logprob };
  };
}
