/**
 * What is known of a generation, and what its end makes of it: the summary and the metrics that are recorded once.
 * `generation.ts` collects the facts.
 */
import type { Attributes, Span } from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import {
  attributes as a,
  genAiProvider,
  type Ending,
  type Operation,
  type Outcome,
  type Reason,
} from '../names.ts';
import { labelSet } from '../metrics/series.ts';

/** What the log line, the client's usage and its timings are made of. A phase that did not happen has no seconds. */
export interface GenerationSummary {
  outcome: Outcome;
  reason: Reason;
  traceId: string;
  spanId: string;
  /** Includes the cached ones. */
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  tokenizeSeconds?: number;
  /** Until its prompt begins to be read. */
  queueSeconds?: number;
  prefillSeconds?: number;
  /** From admission, the queue included. */
  firstTokenSeconds?: number;
  /** From the end of prefill to the last token. */
  decodeSeconds?: number;
  /** From admission to the last token; to the ending where it was not completed. */
  durationSeconds: number;
  /** Between the first and the last token, so it takes two. */
  tokensPerSecond?: number;
}

/** Seconds of the phases that have ended. */
export type PhaseSeconds = Partial<
  Record<'tokenizeSeconds' | 'queueSeconds' | 'prefillSeconds', number | undefined>
>;

/** What is known so far; times are epoch milliseconds. */
export interface Facts {
  operation: Operation;
  admittedAt: number;
  model?: string;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  /** How many output tokens came with a log-probability, and their sum. */
  logprobs: number;
  logprobSum: number;
  tokenizeSeconds?: number | undefined;
  queuedAt?: number;
  startedAt?: number;
  prefill?: { startedAt: number; endedAt: number };
  firstTokenAt?: number;
  lastTokenAt?: number;
}

/** `endedAt` ends the queue phase of a generation that never started. */
export function phaseSeconds(facts: Facts, endedAt?: number): PhaseSeconds {
  const { tokenizeSeconds, queuedAt, startedAt, prefill } = facts;
  return {
    tokenizeSeconds,
    queueSeconds: secondsBetween(queuedAt, prefill?.startedAt ?? startedAt ?? endedAt),
    prefillSeconds: secondsBetween(prefill?.startedAt, prefill?.endedAt),
  };
}

export function summarise(
  facts: Facts,
  ending: Ending & { at: number },
  chat: Span,
): GenerationSummary {
  const { prefill, firstTokenAt, lastTokenAt, outputTokens } = facts;
  const { traceId, spanId } = chat.spanContext();
  const endedAt = ending.outcome === 'completed' ? (lastTokenAt ?? ending.at) : ending.at;
  const streaming = secondsBetween(firstTokenAt, lastTokenAt);
  const seconds = {
    ...phaseSeconds(facts, ending.at),
    firstTokenSeconds: secondsBetween(facts.admittedAt, firstTokenAt),
    decodeSeconds: secondsBetween(prefill?.endedAt, lastTokenAt),
    tokensPerSecond:
      streaming === undefined || streaming === 0 ? undefined : (outputTokens - 1) / streaming,
  };
  return {
    outcome: ending.outcome,
    reason: ending.reason,
    traceId,
    spanId,
    inputTokens: facts.inputTokens,
    cachedTokens: facts.cachedTokens,
    outputTokens,
    durationSeconds: secondsBetween(facts.admittedAt, endedAt) ?? 0,
    ...known(seconds),
  };
}

/** Records what is only known at the end. A rejected request did not generate: `inference.requests` alone has it. */
export function recordEnding(
  instruments: Instruments,
  facts: Facts,
  summary: GenerationSummary,
  chat: Span,
): void {
  const { outcome, reason, inputTokens, outputTokens } = summary;
  const { model, operation, prefill } = facts;
  const span = chat.spanContext();
  const ending = labelSet(`ending ${outcome} ${reason}`, () => ({
    [a.outcome]: outcome,
    [a.reason]: reason,
  }));
  instruments.add('inferenceRequests', 1, ending);
  if (prefill !== undefined) {
    const lastAt = facts.lastTokenAt ?? prefill.endedAt;
    instruments.record(
      'inferenceDuration',
      secondsBetween(prefill.startedAt, lastAt),
      undefined,
      span,
    );
    instruments.record('inferenceDecodeDuration', summary.decodeSeconds, undefined, span);
  }
  instruments.record('inferencePerplexity', perplexity(facts), undefined, span);
  if (model === undefined || outcome === 'rejected') return;
  const labels = genAiLabels(operation, model);
  const { durationSeconds, firstTokenSeconds } = summary;
  const durationLabels =
    outcome === 'completed' ? labels : genAiLabels(operation, model, a.errorType, reason);
  instruments.record('genAiServerRequestDuration', durationSeconds, durationLabels, span);
  if (prefill !== undefined) {
    const input = genAiLabels(operation, model, a.genAiTokenType, 'input');
    const output = genAiLabels(operation, model, a.genAiTokenType, 'output');
    instruments.record('genAiClientTokenUsage', inputTokens, input, span);
    instruments.record('genAiClientTokenUsage', outputTokens, output, span);
  }
  if (outcome !== 'completed' || firstTokenSeconds === undefined) return;
  instruments.record('genAiServerTimeToFirstToken', firstTokenSeconds, labels, span);
  if (outputTokens < 2) return;
  const perToken = (durationSeconds - firstTokenSeconds) / (outputTokens - 1);
  instruments.record('genAiServerTimePerOutputToken', perToken, labels, span);
}

/** Of an answer whose every token came with its log-probability: of half an answer it would be another number. */
function perplexity({ outputTokens, logprobs, logprobSum }: Facts): number | undefined {
  if (outputTokens === 0 || logprobs < outputTokens) return undefined;
  return Math.exp(-logprobSum / logprobs);
}

/** The labels that all GenAI histograms share, and one more; a catalogue id is both what was asked for and what answered. */
export function genAiLabels(
  operation: Operation,
  model: string,
  label?: string,
  value?: string,
): Attributes {
  return labelSet(`genai ${operation} ${label} ${value} ${model}`, () => ({
    [a.genAiOperationName]: operation,
    [a.genAiProviderName]: genAiProvider,
    [a.genAiRequestModel]: model,
    [a.genAiResponseModel]: model,
    ...(label === undefined ? {} : { [label]: value }),
  }));
}

/** Undefined unless both are known and in order. */
export function secondsBetween(
  from: number | undefined,
  to: number | undefined,
): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const seconds = (to - from) / 1000;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/** Without the members that are undefined. */
export function known<Value>(members: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}
