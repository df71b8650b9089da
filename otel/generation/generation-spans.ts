/** Attributes of the `chat` span, and its child spans, which are created when the generation ends. Used by `generation.ts`. */
import {
  SpanStatusCode,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import {
  attributes as a,
  firstTokenEvent,
  genAiProvider,
  spanAttributes as s,
  spans,
  type Operation,
} from '../names.ts';
import {
  known,
  prefillStartedAt,
  secondsBetween,
  type Admission,
  type End,
  type EndedState,
  type GenerationSummary,
} from './generation-state.ts';

/** @param startTime epoch milliseconds. */
export function startChat(tracer: Tracer, operation: Operation, startTime: number): Span {
  return tracer.startSpan(spans.chat, {
    startTime,
    attributes: { [a.genAiOperationName]: operation, [a.genAiProviderName]: genAiProvider },
  });
}

export function admissionAttributes(admission: Admission): Attributes {
  return {
    [a.genAiRequestModel]: admission.requestedModel,
    [a.genAiResponseModel]: admission.model,
    [s.responseId]: admission.responseId,
    [s.stream]: admission.stream,
    [s.outputType]: admission.outputType ?? 'text',
    ...known({
      [s.maxTokens]: admission.maxTokens,
      [s.temperature]: admission.temperature,
      [s.topP]: admission.topP,
      [s.topK]: admission.topK,
      [s.seed]: admission.seed,
      [s.stopSequences]: admission.stop && [...admission.stop],
      [s.frequencyPenalty]: admission.frequencyPenalty,
      [s.presencePenalty]: admission.presencePenalty,
    }),
  };
}

/** Creates the child spans, then ends the chat span. */
export function endSpans(
  tracer: Tracer,
  chat: { span: Span; context: Context },
  state: EndedState,
  summary: GenerationSummary,
): void {
  endPhases(tracer, chat.context, state, summary);
  const { outcome, reason } = summary;
  chat.span.setAttributes({
    ...known({
      [s.inputTokens]: summary.inputTokens,
      [s.cachedTokens]: summary.cachedTokens,
      [s.outputTokens]: summary.outputTokens,
    }),
    ...(outcome === 'completed' ? { [s.finishReasons]: [reason] } : {}),
  });
  setOutcome(chat.span, state.ended);
  endSpan(chat.span, state.ended.at + state.wallOffset, state.begun.at + state.wallOffset);
}

interface Phase {
  name: string;
  from: number;
  to: number;
  attributes: Attributes;
}

function endPhases(
  tracer: Tracer,
  chat: Context,
  state: EndedState,
  summary: GenerationSummary,
): void {
  const phases = phasesOf(state, summary);
  const { firstTokenAt, wallOffset } = state;
  for (const phase of phases) {
    const { name, from, to, attributes } = phase;
    const startTime = from + wallOffset;
    const span = tracer.startSpan(name, { startTime, attributes }, chat);
    // An answer of one token has no decode: the evaluation of the prompt samples the first token.
    const isLast = phase === phases.at(-1) && (name === spans.decode || name === spans.prefill);
    if (isLast && firstTokenAt !== undefined) {
      span.addEvent(firstTokenEvent, firstTokenAt + wallOffset);
    }
    endSpan(span, to + wallOffset, startTime);
  }
}

function phasesOf(state: EndedState, summary: GenerationSummary): Phase[] {
  const { tokenized, queued, ended } = state;
  const phases: Phase[] = [];
  if (tokenized !== undefined) {
    const { startedAt: from, endedAt: to, inputTokens } = tokenized;
    phases.push({ name: spans.tokenize, from, to, attributes: { [s.inputTokens]: inputTokens } });
  }
  if (queued !== undefined) {
    const attributes = { [s.queuePosition]: queued.position };
    const to = prefillStartedAt(state) ?? ended.at;
    phases.push({ name: spans.queue, from: queued.at, to, attributes });
  }
  return [...phases, ...prefillOf(state), ...decodeOf(state, summary)];
}

/** An interrupted prefill reports no `prefilled` fact and lasts until the end of the generation. */
function prefillOf(state: EndedState): Phase[] {
  const { prefilled, started, ended } = state;
  const from = prefillStartedAt(state);
  if (from === undefined) return [];
  const attributes =
    prefilled === undefined
      ? {}
      : {
          [s.inputTokens]: prefilled.inputTokens,
          [s.cachedTokens]: prefilled.cachedTokens,
          [s.copiedTokens]: prefilled.copiedTokens ?? 0,
          ...known({ [s.prefillWait]: secondsBetween(started?.at, prefilled.startedAt) }),
        };
  return [{ name: spans.prefill, from, to: prefilled?.endedAt ?? ended.at, attributes }];
}

function decodeOf(
  { prefilled, lastTokenAt, ended }: EndedState,
  { outcome, outputTokens, tokensPerSecond }: GenerationSummary,
): Phase[] {
  if (prefilled === undefined) return [];
  const from = prefilled.endedAt;
  const to = outcome === 'completed' ? (lastTokenAt ?? from) : ended.at;
  if (to <= from) return [];
  const attributes = {
    ...known({ [s.outputTokens]: outputTokens, [s.tokensPerSecond]: tokensPerSecond }),
  };
  return [{ name: spans.decode, from, to, attributes }];
}

/** A request without an answer has the status ERROR and `error.type`, whoever caused it. */
export function setOutcome(span: Span, { outcome, reason, message = reason }: End): void {
  span.setAttributes({ [s.outcome]: outcome, [s.reason]: reason });
  if (outcome === 'completed') return;
  span.setAttribute(a.errorType, reason);
  // The message of a rejection describes the client's input.
  span.setStatus({
    code: SpanStatusCode.ERROR,
    message: outcome === 'failed' ? message : reason,
  });
}

/** Keeps the end of a span after its start, whatever a caller reports; the SDK would log a warning otherwise. */
export function endSpan(span: Span, endedAt: number, startedAt: number): void {
  span.end(Math.max(endedAt, startedAt));
}
