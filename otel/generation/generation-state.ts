/**
 * The facts of one generation and the timings computed from them. `generation.ts` collects the facts; `generation-spans.ts` and
 * `generation-metrics.ts` read them.
 */
import type { SpanContext } from '@opentelemetry/api';
import type { Ending, Operation, Outcome, Reason } from '../names.ts';

export interface Admission {
  /** The catalogue id; a metric label. */
  model: string;
  /** The model name as the client wrote it; a span attribute only. */
  requestedModel: string;
  responseId: string;
  stream: boolean;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  stop?: readonly string[];
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** The format that the client asked for; the default is `text`. */
  outputType?: 'text' | 'json';
  /** Time at which the request was validated. Default: the time at which its headers arrived. */
  at?: number;
}

export interface Prefill {
  startedAt: number;
  endedAt: number;
  /** Cached tokens included. */
  inputTokens: number;
  cachedTokens: number;
  /** Cached tokens that were copied from another sequence; the default is 0. */
  copiedTokens?: number;
}

export type End = Ending & { at: number; message?: string };

/**
 * The token counts of an answer as a server behind this process reports them. `firstTokenAt` and `lastTokenAt` are those of an answer that
 * was not streamed, where the server tells its timings.
 */
export interface Usage {
  /** Cached tokens included. */
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  firstTokenAt?: number;
  lastTokenAt?: number;
}

/** Facts that occur at most once in a generation. All times are milliseconds of the clock that `begun.at` is read from. */
export interface Facts {
  admitted: Admission;
  tokenized: { startedAt: number; endedAt: number; inputTokens: number };
  queued: { at: number; position: number };
  /** The request got a sequence. */
  started: { at: number };
  prefilled: Prefill;
  usage: Usage;
}

export interface GenerationState extends Partial<Facts> {
  readonly begun: { operation: Operation; at: number };
  /** Another server generates: without its `usage` the numbers of tokens are unknown. */
  readonly isForwarded: boolean;
  /** Wall clock minus the clock of the facts, read once: a step of the wall clock moves the trace as a whole. */
  readonly wallOffset: number;
  ended?: End;
  outputTokens: number;
  firstTokenAt?: number;
  lastTokenAt?: number;
  /** Token counts of the further answers to the same request, and the time of their last token. */
  more: { inputTokens: number; cachedTokens: number; outputTokens: number; lastTokenAt: number };
  /** Number of output tokens with a log-probability, and the sum of these log-probabilities. */
  logprobs: number;
  logprobSum: number;
}

export type EndedState = GenerationState & { ended: End };

/** Seconds of each phase; a phase that did not happen, or whose end is before its start, is absent. */
export interface GenerationTimings {
  tokenizeSeconds?: number;
  /** From entering the queue to the assignment of a sequence. */
  queueSeconds?: number;
  /** From the assignment of a sequence to the end of the prompt, the wait for its first slice included. */
  prefillSeconds?: number;
  /** From admission to the first token, queue included. */
  firstTokenSeconds?: number;
  /** From the end of prefill to the last token. */
  decodeSeconds?: number;
  /** Speed of the first answer between its first and its last token; absent for fewer than two tokens. */
  tokensPerSecond?: number;
}

export interface TokenCounts {
  /** Cached tokens included. */
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
}

/** Written to the log line. The counts are absent if another server generates and does not count them. */
export interface GenerationSummary extends GenerationTimings, Partial<TokenCounts> {
  outcome: Outcome;
  reason: Reason;
  traceId: string;
  spanId: string;
  /** From admission to the last token of a completed generation, and to the end of any other. */
  durationSeconds: number;
}

/** Returned to the client as usage and timings. */
export type CountedSummary = GenerationSummary & TokenCounts;

export const nothingMore: GenerationState['more'] = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  lastTokenAt: -Infinity,
};

/** Stores a fact. Ignores a repeated fact and any fact after the end. @returns whether the fact was stored. */
export function takeFact<Kind extends keyof Facts>(
  state: GenerationState,
  kind: Kind,
  fact: Facts[Kind],
): boolean {
  if (state.ended !== undefined || state[kind] !== undefined) return false;
  (state as Partial<Facts>)[kind] = fact;
  return true;
}

export function takeToken(state: GenerationState, at: number, logprob: number | undefined): void {
  state.outputTokens += 1;
  takeTime(state, at);
  if (logprob === undefined) return;
  state.logprobs += 1;
  state.logprobSum += logprob;
}

export function takeTime(state: GenerationState, at: number): void {
  state.firstTokenAt ??= at;
  state.lastTokenAt = at;
}

export function isWaiting({ queued, started, ended }: GenerationState): boolean {
  return queued !== undefined && started === undefined && ended === undefined;
}

/** Prefill starts with the assignment of a sequence, and the queue ends there. Undefined before that. */
export function prefillStartedAt({ prefilled, started }: GenerationState): number | undefined {
  return started?.at ?? prefilled?.startedAt;
}

export function timingsOf(state: GenerationState): GenerationTimings {
  const { tokenized, queued, prefilled, firstTokenAt, lastTokenAt } = state;
  const streamSeconds = secondsBetween(firstTokenAt, lastTokenAt);
  // Not the tokens of the further answers: they have times of their own.
  const counted = state.isForwarded ? undefined : state.outputTokens;
  return known({
    tokenizeSeconds: secondsBetween(tokenized?.startedAt, tokenized?.endedAt),
    queueSeconds: secondsBetween(queued?.at, prefillStartedAt(state) ?? state.ended?.at),
    prefillSeconds: secondsBetween(prefillStartedAt(state), prefilled?.endedAt),
    firstTokenSeconds: secondsBetween(admittedAt(state), firstTokenAt),
    decodeSeconds: secondsBetween(prefilled?.endedAt, lastTokenAt),
    tokensPerSecond: perSecond(state.usage?.outputTokens ?? counted, streamSeconds),
  });
}

function perSecond(tokens: number | undefined, seconds: number | undefined): number | undefined {
  return tokens !== undefined && tokens > 0 && seconds ? (tokens - 1) / seconds : undefined;
}

/** Undefined if another server generates and did not count them. */
export function countTokens(state: GenerationState): TokenCounts | undefined {
  const { usage, prefilled, tokenized, more } = state;
  if (usage !== undefined) {
    const { inputTokens, cachedTokens, outputTokens } = usage;
    return { inputTokens, cachedTokens, outputTokens };
  }
  if (state.isForwarded) return undefined;
  return {
    inputTokens: (prefilled?.inputTokens ?? tokenized?.inputTokens ?? 0) + more.inputTokens,
    cachedTokens: (prefilled?.cachedTokens ?? 0) + more.cachedTokens,
    outputTokens: state.outputTokens + more.outputTokens,
  };
}

export function summarise(state: EndedState, span: SpanContext): GenerationSummary {
  const { outcome, reason, at } = state.ended;
  const { more } = state;
  const lastAt = Math.max(state.lastTokenAt ?? -Infinity, more.lastTokenAt);
  const endedAt = outcome === 'completed' && Number.isFinite(lastAt) ? lastAt : at;
  return {
    outcome,
    reason,
    traceId: span.traceId,
    spanId: span.spanId,
    ...countTokens(state),
    durationSeconds: secondsBetween(admittedAt(state), endedAt) ?? 0,
    ...timingsOf(state),
  };
}

function admittedAt({ admitted, begun }: GenerationState): number {
  return admitted?.at ?? begun.at;
}

/** Undefined unless both times are known and `to` is not before `from`. */
export function secondsBetween(
  from: number | undefined,
  to: number | undefined,
): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const seconds = (to - from) / 1000;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/** Drops the members that are undefined. */
export function known<Value>(members: Record<string, Value | undefined>): Record<string, Value> {
  const result: Record<string, Value> = {};
  for (const name in members) {
    const value = members[name];
    if (value !== undefined) result[name] = value;
  }
  return result;
}
