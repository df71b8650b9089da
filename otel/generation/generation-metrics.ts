/** The measurements of one generation, made as its facts arrive and when it ends. Used by `generation.ts`. */
import type { Attributes, SpanContext } from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import { attributes as a, genAiProvider, type Operation, type StreamEnding } from '../names.ts';
import {
  secondsBetween,
  timingsOf,
  type EndedState,
  type GenerationState,
  type GenerationSummary,
} from './generation-state.ts';

const outputToken = Object.freeze({ [a.type]: 'output' });
const inputToken = Object.freeze({ [a.type]: 'input' });
const cachedToken = Object.freeze({ [a.type]: 'cached_input' });

/** Where measurements go, and the span that their exemplars name. */
export interface Recorder {
  instruments: Instruments;
  span: SpanContext;
}

export function recordPrefilled(recorder: Recorder, state: GenerationState): void {
  const { instruments, span } = recorder;
  const { inputTokens = 0, cachedTokens = 0 } = state.prefilled ?? {};
  const { queueSeconds, prefillSeconds } = timingsOf(state);
  instruments.record('inferenceQueueDuration', queueSeconds, undefined, span);
  instruments.record('inferencePrefillDuration', prefillSeconds, undefined, span);
  instruments.add('inferenceTokens', inputTokens - cachedTokens, inputToken);
  instruments.add('inferenceTokens', cachedTokens, cachedToken);
}

/** `lastTokenAt` is the time of the token before this one, undefined for the first. */
export function recordToken(
  { instruments }: Recorder,
  at: number,
  lastTokenAt: number | undefined,
): void {
  instruments.add('inferenceTokens', 1, outputToken);
  if (lastTokenAt !== undefined) {
    instruments.record('inferenceInterTokenDuration', (at - lastTokenAt) / 1000);
  }
}

export function recordStreamEnded({ instruments }: Recorder, how: StreamEnding): void {
  instruments.add('inferenceStreamTerminations', 1, { [a.how]: how });
}

export function recordEnded(
  recorder: Recorder,
  state: EndedState,
  summary: GenerationSummary,
): void {
  const { instruments, span } = recorder;
  const { outcome, reason } = summary;
  instruments.add('inferenceRequests', 1, { [a.outcome]: outcome, [a.reason]: reason });
  const { prefilled } = state;
  if (prefilled === undefined) {
    instruments.record('inferenceQueueDuration', summary.queueSeconds, undefined, span);
  } else {
    const lastAt = state.lastTokenAt ?? prefilled.endedAt;
    const seconds = secondsBetween(prefilled.startedAt, lastAt);
    instruments.record('inferenceDuration', seconds, undefined, span);
    instruments.record('inferenceDecodeDuration', summary.decodeSeconds, undefined, span);
  }
  instruments.record('inferencePerplexity', perplexityOf(state), undefined, span);
  recordGenAi(recorder, state, summary);
}

/** A rejected request did not generate: only `inference.requests` counts it. */
function recordGenAi(
  { instruments, span }: Recorder,
  { admitted, begun: { operation }, prefilled }: EndedState,
  { outcome, reason, inputTokens, outputTokens, ...seconds }: GenerationSummary,
): void {
  if (admitted === undefined || outcome === 'rejected') return;
  const { model } = admitted;
  const { durationSeconds, firstTokenSeconds } = seconds;
  const labels = genAiLabels(operation, model);
  const durationLabels =
    outcome === 'completed' ? labels : genAiLabels(operation, model, a.errorType, reason);
  instruments.record('genAiServerRequestDuration', durationSeconds, durationLabels, span);
  if (prefilled !== undefined) {
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

/** Undefined unless every token has a log-probability: the perplexity of a part is another number. */
function perplexityOf({ outputTokens, logprobs, logprobSum }: GenerationState): number | undefined {
  if (outputTokens === 0 || logprobs < outputTokens) return undefined;
  return Math.exp(-logprobSum / logprobs);
}

/** The labels that all GenAI histograms share, and one more. A catalogue id is both the requested and the answering model. */
export function genAiLabels(
  operation: Operation,
  model: string,
  label?: string,
  value?: string,
): Attributes {
  return {
    [a.genAiOperationName]: operation,
    [a.genAiProviderName]: genAiProvider,
    [a.genAiRequestModel]: model,
    [a.genAiResponseModel]: model,
    ...(label === undefined ? {} : { [label]: value }),
  };
}
