/**
 * One generation as telemetry sees it: reported facts become metrics as they arrive, and spans when it ends. Facts may arrive in any
 * order. Begun by `inference.ts`.
 */
import { context, trace, type Context, type Tracer } from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import { noLabels, withLabel } from '../metrics/series.ts';
import { attributes as a, type Operation, type StreamEnding } from '../names.ts';
import { contentAttributes, type Content } from './content.ts';
import { recordEnded, type Recorder } from './generation-metrics.ts';
import { admissionAttributes, endSpans, startChat } from './generation-spans.ts';
import {
  isWaiting,
  nothingMore,
  prefillStartedAt,
  secondsBetween,
  summarise,
  takeFact,
  takeTime,
  takeToken,
  timingsOf,
  type End,
  type Facts,
  type GenerationState,
  type GenerationSummary,
  type GenerationTimings,
  type Prefill,
} from './generation-state.ts';

/** One method for each fact. Repeated facts and facts after the end are ignored. */
type FactMethods = { [Kind in keyof Facts]: (fact: Facts[Kind]) => void };

export interface Generation extends FactMethods {
  /** The context with the `chat` span. */
  readonly context: Context;
  /** Whether `content` is recorded; false by default. */
  readonly capturesContent: boolean;
  /** One output token; `logprob` is the natural logarithm of its probability, where the engine computed it. */
  token(fact: { at: number; logprob?: number | undefined }): void;
  /** Another answer to the same request: it counts in tokens and sequences, the timings are those of the first answer. */
  another(): AnotherAnswer;
  /** A part of a streamed answer whose number of tokens is not known; `usage` counts them. */
  piece(fact: { at: number }): void;
  /** Prompt and answer, in one or more parts. */
  content(fact: Content): void;
  /** How the stream ended for the client. Only the first call has an effect. */
  streamEnded(how: StreamEnding): void;
  /** Timings of the phases so far. */
  timings(): GenerationTimings;
  /** A second call returns the first summary. */
  end(fact: End): GenerationSummary;
}

/** The facts of one more answer. `ofPrompt`: it has a prompt of its own, which the first answer did not count. */
export interface AnotherAnswer {
  started(): void;
  prefilled(fact: Prefill, how: { ofPrompt: boolean }): void;
  token(fact: { at: number }): void;
  end(): void;
}

const outputToken = withLabel(noLabels, a.type, 'output');
const inputToken = withLabel(noLabels, a.type, 'input');
const cachedToken = withLabel(noLabels, a.type, 'cached_input');

/** `contentLimit` is the maximum length of a captured conversation in characters; 0 captures nothing. */
export function beginGeneration(
  options: {
    instruments: Instruments;
    tracer: Tracer;
    contentLimit: number;
    isForwarded: boolean;
  },
  begun: { operation: Operation; at: number },
): Generation {
  const { instruments, tracer, contentLimit, isForwarded } = options;
  const wallOffset = Date.now() - begun.at;
  const span = startChat(tracer, begun.operation, begun.at + wallOffset);
  const chat = { span, context: trace.setSpan(context.active(), span) };
  const recorder = { instruments, span: span.spanContext() };
  const state: GenerationState = {
    begun,
    isForwarded,
    wallOffset,
    outputTokens: 0,
    logprobs: 0,
    logprobSum: 0,
    more: { ...nothingMore },
  };
  let content: Content = {};
  let isStreaming = true;
  let summary: GenerationSummary | undefined;

  return {
    context: chat.context,
    capturesContent: contentLimit > 0,
    admitted(fact) {
      if (!takeFact(state, 'admitted', fact)) return;
      span.updateName(`${begun.operation} ${fact.model}`);
      span.setAttributes(admissionAttributes(fact));
    },
    tokenized(fact) {
      if (!takeFact(state, 'tokenized', fact)) return;
      const seconds = secondsBetween(fact.startedAt, fact.endedAt);
      instruments.record('inferenceTokenizeDuration', seconds, undefined, recorder.span);
    },
    queued(fact) {
      if (takeFact(state, 'queued', fact) && isWaiting(state))
        instruments.add('inferenceQueueDepth', 1);
    },
    started(fact) {
      const waited = isWaiting(state);
      if (!takeFact(state, 'started', fact)) return;
      if (waited) instruments.add('inferenceQueueDepth', -1);
      instruments.add('inferenceSequencesActive', 1);
      const seconds = secondsBetween(state.queued?.at, prefillStartedAt(state));
      instruments.record('inferenceQueueDuration', seconds, undefined, recorder.span);
    },
    prefilled(fact) {
      if (takeFact(state, 'prefilled', fact)) recordPrefilled(recorder, state, fact);
    },
    token({ at, logprob }) {
      if (state.ended !== undefined) return;
      instruments.add('inferenceTokens', 1, outputToken);
      instruments.record('inferenceInterTokenDuration', secondsBetween(state.lastTokenAt, at));
      takeToken(state, at, logprob);
    },
    piece({ at }) {
      if (state.ended !== undefined) return;
      instruments.record('inferenceInterTokenDuration', secondsBetween(state.lastTokenAt, at));
      takeTime(state, at);
    },
    usage(fact) {
      const { inputTokens, cachedTokens, outputTokens, firstTokenAt, lastTokenAt } = fact;
      if (!takeFact(state, 'usage', fact)) return;
      if (state.prefilled === undefined) countInput(instruments, inputTokens, cachedTokens);
      instruments.add('inferenceTokens', outputTokens, outputToken);
      if (firstTokenAt !== undefined) takeTime(state, firstTokenAt);
      if (lastTokenAt !== undefined) takeTime(state, lastTokenAt);
    },
    another: () => countAnother(recorder, state),
    content(fact) {
      if (contentLimit > 0) content = { ...content, ...fact };
    },
    streamEnded(how) {
      if (isStreaming) {
        instruments.add('inferenceStreamTerminations', 1, withLabel(noLabels, a.how, how));
      }
      isStreaming = false;
    },
    timings: () => timingsOf(state),
    end(fact) {
      if (summary !== undefined) return summary;
      if (isWaiting(state)) instruments.add('inferenceQueueDepth', -1);
      if (state.started !== undefined) instruments.add('inferenceSequencesActive', -1);
      const ended = Object.assign(state, { ended: fact });
      summary = summarise(ended, recorder.span);
      recordEnded(recorder, ended, summary);
      if (contentLimit > 0)
        span.setAttributes(contentAttributes(content, fact.reason, contentLimit));
      endSpans(tracer, chat, ended, summary);
      return summary;
    },
  };
}

function countAnother({ instruments }: Recorder, state: GenerationState): AnotherAnswer {
  const { more } = state;
  let lastTokenAt: number | undefined;
  let isActive = false;
  return {
    started() {
      isActive = true;
      instruments.add('inferenceSequencesActive', 1);
    },
    prefilled({ inputTokens, cachedTokens }, { ofPrompt }) {
      countInput(instruments, inputTokens, cachedTokens);
      if (!ofPrompt) return;
      more.inputTokens += inputTokens;
      more.cachedTokens += cachedTokens;
    },
    token({ at }) {
      if (state.ended !== undefined) return;
      instruments.add('inferenceTokens', 1, outputToken);
      instruments.record('inferenceInterTokenDuration', secondsBetween(lastTokenAt, at));
      lastTokenAt = at;
      more.outputTokens += 1;
      more.lastTokenAt = at;
    },
    end() {
      if (isActive) instruments.add('inferenceSequencesActive', -1);
      isActive = false;
    },
  };
}

function countInput(instruments: Instruments, inputTokens: number, cachedTokens: number): void {
  instruments.add('inferenceTokens', inputTokens - cachedTokens, inputToken);
  instruments.add('inferenceTokens', cachedTokens, cachedToken);
}

function recordPrefilled(
  { instruments, span }: Recorder,
  state: GenerationState,
  fact: Prefill,
): void {
  const seconds = secondsBetween(prefillStartedAt(state), fact.endedAt);
  instruments.record('inferencePrefillDuration', seconds, undefined, span);
  countInput(instruments, fact.inputTokens, fact.cachedTokens);
}
