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
  queueEndedAt,
  type Admission,
  type EndedState,
  type GenerationSummary,
} from './generation-state.ts';

export function startChat(tracer: Tracer, begun: { operation: Operation; at: number }): Span {
  return tracer.startSpan(spans.chat, {
    startTime: begun.at,
    attributes: { [a.genAiOperationName]: begun.operation, [a.genAiProviderName]: genAiProvider },
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
    [s.outcome]: outcome,
    [s.reason]: reason,
    [s.inputTokens]: summary.inputTokens,
    [s.cachedTokens]: summary.cachedTokens,
    [s.outputTokens]: summary.outputTokens,
    ...(outcome === 'completed' ? { [s.finishReasons]: [reason] } : { [a.errorType]: reason }),
  });
  if (outcome !== 'completed') {
    // The message of a rejection describes the client's input.
    const message = outcome === 'failed' ? (state.ended.message ?? reason) : reason;
    chat.span.setStatus({ code: SpanStatusCode.ERROR, message });
  }
  endSpan(chat.span, state.ended.at, state.begun.at);
}

function endPhases(
  tracer: Tracer,
  chat: Context,
  state: EndedState,
  { outcome, outputTokens, tokensPerSecond }: GenerationSummary,
): void {
  const { tokenized, queued, started, prefilled, firstTokenAt, lastTokenAt, ended } = state;
  const phase = (
    name: string,
    startedAt: number,
    endedAt: number,
    attributes: Attributes,
  ): void => {
    const span = tracer.startSpan(name, { startTime: startedAt, attributes }, chat);
    if (name === spans.decode && firstTokenAt !== undefined) {
      span.addEvent(firstTokenEvent, firstTokenAt);
    }
    endSpan(span, endedAt, startedAt);
  };
  if (tokenized !== undefined) {
    const { startedAt, endedAt, inputTokens } = tokenized;
    phase(spans.tokenize, startedAt, endedAt, { [s.inputTokens]: inputTokens });
  }
  if (queued !== undefined) {
    const endedAt = queueEndedAt(state) ?? ended.at;
    phase(spans.queue, queued.at, endedAt, { [s.queuePosition]: queued.position });
  }
  if (prefilled !== undefined) {
    const { startedAt, endedAt, inputTokens, cachedTokens, copiedTokens = 0 } = prefilled;
    const tokens = {
      [s.inputTokens]: inputTokens,
      [s.cachedTokens]: cachedTokens,
      [s.copiedTokens]: copiedTokens,
    };
    phase(spans.prefill, startedAt, endedAt, tokens);
    const decodedAt = outcome === 'completed' ? (lastTokenAt ?? ended.at) : ended.at;
    const output = {
      [s.outputTokens]: outputTokens,
      ...known({ [s.tokensPerSecond]: tokensPerSecond }),
    };
    phase(spans.decode, endedAt, decodedAt, output);
  } else if (started !== undefined) {
    // An interrupted prefill reports no `prefilled` fact.
    phase(spans.prefill, started.at, ended.at, {});
  }
}

/** Keeps the end of a span after its start: timestamps come from two processes, and the SDK would log a warning otherwise. */
function endSpan(span: Span, endedAt: number, startedAt: number): void {
  span.end(Math.max(endedAt, startedAt));
}
