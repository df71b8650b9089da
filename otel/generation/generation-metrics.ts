/** The measurements of one generation at its end. Used by `generation.ts`. */
import type { Attributes, SpanContext } from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import { noLabels, withLabel } from '../metrics/series.ts';
import {
  attributes as a,
  genAiProvider,
  type Outcome,
  type Operation,
  type PoolingOperation,
  type Reason,
} from '../names.ts';
import { unansweredType } from '../outcomes.ts';
import {
  prefillStartedAt,
  secondsBetween,
  type EndedState,
  type GenerationState,
  type GenerationSummary,
} from './generation-state.ts';

/** The instruments that record the measurements, and the span for their exemplars. */
export interface Recorder {
  instruments: Instruments;
  span: SpanContext;
}

export function recordEnded(
  recorder: Recorder,
  state: EndedState,
  summary: GenerationSummary,
): void {
  const { instruments, span } = recorder;
  instruments.add('inferenceRequests', 1, endingLabels(summary));
  const { started, prefilled } = state;
  if (started === undefined) {
    instruments.record('inferenceQueueDuration', summary.queueSeconds, undefined, span);
  }
  if (prefilled !== undefined) {
    const lastAt = state.lastTokenAt ?? prefilled.endedAt;
    const seconds = secondsBetween(prefillStartedAt(state), lastAt);
    instruments.record('inferenceDuration', seconds, undefined, span);
    instruments.record('inferenceDecodeDuration', summary.decodeSeconds, undefined, span);
  }
  instruments.record('inferencePerplexity', perplexityOf(state), undefined, span);
  const isUnanswered = state.admitted !== undefined && state.firstTokenAt === undefined;
  const type = isUnanswered ? unansweredType(summary) : undefined;
  if (type !== undefined) {
    const typed = withLabel(noLabels, a.type, type);
    instruments.record('inferenceUnansweredDuration', summary.durationSeconds, typed, span);
  }
  recordGenAi(recorder, state, summary);
}

/** A rejected request did not generate: only `inference.requests` counts it. */
function recordGenAi(
  { instruments, span }: Recorder,
  { admitted, begun: { operation }, prefilled, usage, more }: EndedState,
  summary: GenerationSummary,
): void {
  const { outcome, reason, durationSeconds, firstTokenSeconds } = summary;
  const { inputTokens, outputTokens = 0 } = summary;
  if (admitted === undefined || outcome === 'rejected') return;
  const labels = genAiLabels(operation, admitted.model);
  const ended = outcome === 'completed' ? labels : withLabel(labels, a.errorType, reason);
  instruments.record('genAiServerRequestDuration', durationSeconds, ended, span);
  if (prefilled !== undefined || usage !== undefined) {
    const input = withLabel(labels, a.genAiTokenType, 'input');
    const output = withLabel(labels, a.genAiTokenType, 'output');
    instruments.record('genAiClientTokenUsage', inputTokens, input, span);
    instruments.record('genAiClientTokenUsage', outputTokens, output, span);
  }
  instruments.record('genAiServerTimeToFirstToken', firstTokenSeconds, labels, span);
  // Answers that are generated side by side have no speed of their own.
  if (more.outputTokens > 0) return;
  if (outcome !== 'completed' || firstTokenSeconds === undefined || outputTokens < 2) return;
  const perToken = (durationSeconds - firstTokenSeconds) / (outputTokens - 1);
  instruments.record('genAiServerTimePerOutputToken', perToken, labels, span);
}

/** Undefined unless every token has a log-probability, because the perplexity of a part of the answer is a different number. */
function perplexityOf({ outputTokens, logprobs, logprobSum }: GenerationState): number | undefined {
  if (outputTokens === 0 || logprobs < outputTokens) return undefined;
  return Math.exp(-logprobSum / logprobs);
}

/** The labels that all GenAI histograms share. A catalogue id is both the requested and the answering model. */
export function genAiLabels(operation: Operation | PoolingOperation, model: string): Attributes {
  const generic = withLabel(
    withLabel(noLabels, a.genAiOperationName, operation),
    a.genAiProviderName,
    genAiProvider,
  );
  return withLabel(withLabel(generic, a.genAiRequestModel, model), a.genAiResponseModel, model);
}

export function endingLabels(ending: { outcome: Outcome; reason: Reason }): Attributes {
  return withLabel(withLabel(noLabels, a.outcome, ending.outcome), a.reason, ending.reason);
}
