/** The measurements of one generation at its end. Used by `generation.ts`. */
import type { Attributes, SpanContext } from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import { attributes as a, genAiProvider, type Operation, type PoolingOperation } from '../names.ts';
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
  const { outcome, reason } = summary;
  instruments.add('inferenceRequests', 1, { [a.outcome]: outcome, [a.reason]: reason });
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
    const typed = { [a.type]: type };
    instruments.record('inferenceUnansweredDuration', summary.durationSeconds, typed, span);
  }
  recordGenAi(recorder, state, summary);
}

/** A rejected request did not generate: only `inference.requests` counts it. */
function recordGenAi(
  { instruments, span }: Recorder,
  { admitted, begun: { operation }, prefilled }: EndedState,
  summary: GenerationSummary,
): void {
  const { outcome, reason, inputTokens, outputTokens, durationSeconds, firstTokenSeconds } =
    summary;
  if (admitted === undefined || outcome === 'rejected') return;
  const labels = genAiLabels(operation, admitted.model);
  const failure = outcome === 'completed' ? {} : { [a.errorType]: reason };
  const ended = { ...labels, ...failure };
  instruments.record('genAiServerRequestDuration', durationSeconds, ended, span);
  if (prefilled !== undefined) {
    for (const [type, count] of Object.entries({ input: inputTokens, output: outputTokens })) {
      const typed = { ...labels, [a.genAiTokenType]: type };
      instruments.record('genAiClientTokenUsage', count, typed, span);
    }
  }
  instruments.record('genAiServerTimeToFirstToken', firstTokenSeconds, labels, span);
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
  return {
    [a.genAiOperationName]: operation,
    [a.genAiProviderName]: genAiProvider,
    [a.genAiRequestModel]: model,
    [a.genAiResponseModel]: model,
  };
}
