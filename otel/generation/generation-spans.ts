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
  endSpan(chat.span, state.ended.at + state.wallOffset, state.begun.at + state.wallOffset);
}

function endPhases(
  tracer: Tracer,
  chat: Context,
  state: EndedState,
  { outcome, outputTokens, tokensPerSecond }: GenerationSummary,
): void {
  const { tokenized, queued, started, prefilled, firstTokenAt, lastTokenAt, ended, wallOffset } =
    state;
  const phase = (
    name: string,
    startedAt: number,
    endedAt: number,
    attributes: Attributes,
  ): void => {
    const startTime = startedAt + wallOffset;
    const span = tracer.startSpan(name, { startTime, attributes }, chat);
    if (name === spans.decode && firstTokenAt !== undefined) {
      span.addEvent(firstTokenEvent, firstTokenAt + wallOffset);
    }
    endSpan(span, endedAt + wallOffset, startTime);
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

/** Keeps the end of a span after its start, whatever a caller reports; the SDK would log a warning otherwise. */
function endSpan(span: Span, endedAt: number, startedAt: number): void {
  span.end(Math.max(endedAt, startedAt));
}
