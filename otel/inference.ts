/** Observes generations: plain facts in, spans and metrics out. The chat service calls it, and any other program can. */
import {
  context,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Meter,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { createInstrument, initialise, observe, recordDuration } from './instruments.ts';
import {
  attributes as a,
  endings,
  spans,
  streamEndings,
  tokenTypes,
  type Ending,
  type Outcome,
  type Reason,
} from './names.ts';

/** Times are epoch milliseconds, durations in names and summaries are seconds. */
export interface AdmittedFact {
  /** Catalogue id: the label. */
  model: string;
  /** What the client wrote: on the span only. */
  requestedModel: string;
  responseId: string;
  stream: boolean;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  stop?: readonly string[];
}

export interface PrefilledFact {
  startedAt: number;
  endedAt: number;
  /** Cached ones included. */
  inputTokens: number;
  cachedTokens: number;
}

export interface Generation {
  /** Holds the chat span, for logs and response headers. */
  readonly context: Context;
  admitted(fact: AdmittedFact): void;
  tokenized(fact: { startedAt: number; endedAt: number; inputTokens: number }): void;
  queued(fact: { at: number; position: number }): void;
  /** It has a sequence and leaves the queue. */
  started(fact: { at: number }): void;
  prefilled(fact: PrefilledFact): void;
  /** One output token. */
  token(fact: { at: number }): void;
  /** How the client saw its stream end; the first call counts. */
  streamEnded(how: (typeof streamEndings)[number]): void;
  /** Closes every open span and gives every gauge back. The first call counts, later ones return its summary. */
  end(fact: Ending & { at: number; message?: string }): GenerationSummary;
}

export interface GenerationSummary {
  outcome: Outcome;
  reason: Reason;
  traceId: string;
  spanId: string;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  tokenizeSeconds: number | undefined;
  queueSeconds: number | undefined;
  prefillSeconds: number | undefined;
  firstTokenSeconds: number | undefined;
  decodeSeconds: number | undefined;
  durationSeconds: number;
  tokensPerSecond: number | undefined;
}

export interface ModelDescription {
  id: string;
  architecture: string;
  quantization: string;
  parameters: string;
  context: number;
  sha256: string;
  loadSeconds: number;
}

export interface InferenceTelemetry {
  /** Call when a POST's headers reach a generation route; counts exactly one `inference.requests` at its end. */
  begin(fact: { operation: 'chat' | 'text_completion'; at: number }): Generation;
  setModel(model: ModelDescription): void;
  setLimits(limits: { queue: number; sequences: number; contextTokens: number }): void;
}

export interface InferenceOptions {
  meter: Meter;
  tracer: Tracer;
  /** KV cells in use. */
  contextTokens: () => number;
  ready: () => boolean;
}

const provider = 'node-llama-cpp';

export function createInferenceTelemetry(options: InferenceOptions): InferenceTelemetry {
  const instruments = createInferenceInstruments(options.meter);
  initialiseClosedSets(instruments);
  observe(options.meter, 'inferenceContextTokens', (report) => report(options.contextTokens()));
  observe(options.meter, 'inferenceReady', (report) => report(options.ready() ? 1 : 0));
  return {
    begin: (fact) => beginGeneration(instruments, options.tracer, fact),
    setModel(model) {
      instruments.modelInfo.record(1, {
        [a.genAiRequestModel]: model.id,
        [a.architecture]: model.architecture,
        [a.quantization]: model.quantization,
        [a.parameters]: model.parameters,
        [a.context]: String(model.context),
        [a.sha256]: model.sha256.slice(0, 12),
      });
      instruments.loadDuration.record(model.loadSeconds);
      const labels = genAiLabels('chat', model.id);
      initialise(instruments.requestDuration, labels);
      initialise(instruments.firstToken, labels);
      initialise(instruments.perToken, labels);
      initialise(instruments.tokenUsage, { ...labels, [a.genAiTokenType]: 'input' });
      initialise(instruments.tokenUsage, { ...labels, [a.genAiTokenType]: 'output' });
    },
    setLimits(limits) {
      instruments.queueLimit.record(limits.queue);
      instruments.sequencesLimit.record(limits.sequences);
      instruments.contextLimit.record(limits.contextTokens);
    },
  };
}

function createInferenceInstruments(meter: Meter) {
  return {
    requests: createInstrument(meter, 'inferenceRequests'),
    tokens: createInstrument(meter, 'inferenceTokens'),
    requestDuration: createInstrument(meter, 'genAiServerRequestDuration'),
    firstToken: createInstrument(meter, 'genAiServerTimeToFirstToken'),
    perToken: createInstrument(meter, 'genAiServerTimePerOutputToken'),
    tokenUsage: createInstrument(meter, 'genAiClientTokenUsage'),
    inference: createInstrument(meter, 'inferenceDuration'),
    queue: createInstrument(meter, 'inferenceQueueDuration'),
    tokenize: createInstrument(meter, 'inferenceTokenizeDuration'),
    prefill: createInstrument(meter, 'inferencePrefillDuration'),
    decode: createInstrument(meter, 'inferenceDecodeDuration'),
    interToken: createInstrument(meter, 'inferenceInterTokenDuration'),
    queueDepth: createInstrument(meter, 'inferenceQueueDepth'),
    queueLimit: createInstrument(meter, 'inferenceQueueLimit'),
    sequencesActive: createInstrument(meter, 'inferenceSequencesActive'),
    sequencesLimit: createInstrument(meter, 'inferenceSequencesLimit'),
    contextLimit: createInstrument(meter, 'inferenceContextLimit'),
    contextShifts: createInstrument(meter, 'inferenceContextShifts'),
    terminations: createInstrument(meter, 'inferenceStreamTerminations'),
    modelInfo: createInstrument(meter, 'inferenceModelInfo'),
    loadDuration: createInstrument(meter, 'inferenceModelLoadDuration'),
  };
}

type Instruments = ReturnType<typeof createInferenceInstruments>;

/** The first error must be an increase, not a birth: every member of a closed set exists from the start. */
function initialiseClosedSets(instruments: Instruments): void {
  for (const [outcome, reasons] of Object.entries(endings)) {
    for (const reason of reasons) {
      instruments.requests.add(0, { [a.outcome]: outcome, [a.reason]: reason });
    }
  }
  for (const type of tokenTypes) instruments.tokens.add(0, { [a.type]: type });
  for (const how of streamEndings) instruments.terminations.add(0, { [a.how]: how });
  instruments.queueDepth.add(0);
  instruments.sequencesActive.add(0);
  instruments.contextShifts.add(0);
  const { inference, queue, tokenize, prefill, decode, interToken } = instruments;
  for (const histogram of [inference, queue, tokenize, prefill, decode, interToken]) {
    initialise(histogram);
  }
}

function genAiLabels(operation: string, model: string): Attributes {
  return {
    [a.genAiOperationName]: operation,
    [a.genAiProviderName]: provider,
    [a.genAiRequestModel]: model,
    [a.genAiResponseModel]: model,
  };
}

function beginGeneration(
  instruments: Instruments,
  tracer: Tracer,
  begin: { operation: 'chat' | 'text_completion'; at: number },
): Generation {
  const span = tracer.startSpan(spans.chat, {
    startTime: begin.at,
    attributes: { [a.genAiOperationName]: begin.operation, [a.genAiProviderName]: provider },
  });
  const spanContext = trace.setSpan(context.active(), span);
  let labels: Attributes | undefined;
  let queuedAt: number | undefined;
  let queueSpan: Span | undefined;
  let decodeSpan: Span | undefined;
  let active = false;
  let tokenized: { startedAt: number; endedAt: number; inputTokens: number } | undefined;
  let startedAt: number | undefined;
  let prefilled: PrefilledFact | undefined;
  let firstTokenAt: number | undefined;
  let lastTokenAt: number | undefined;
  let outputTokens = 0;
  let streamHow: string | undefined;
  let summary: GenerationSummary | undefined;

  function childSpan(name: string, startTime: number, attributes?: Attributes): Span {
    return tracer.startSpan(
      name,
      { startTime, ...(attributes ? { attributes } : {}) },
      spanContext,
    );
  }

  function leaveQueue(at: number): void {
    if (queuedAt === undefined || queueSpan === undefined) return;
    instruments.queueDepth.add(-1);
    recordDuration(instruments.queue, (at - queuedAt) / 1000);
    queueSpan.end(at);
    queueSpan = undefined;
  }

  function closeDecode(at: number): void {
    if (decodeSpan === undefined || prefilled === undefined) return;
    const seconds = ((lastTokenAt ?? prefilled.endedAt) - prefilled.endedAt) / 1000;
    decodeSpan.setAttribute('inference.output_tokens', outputTokens);
    if (seconds > 0)
      decodeSpan.setAttribute('inference.tokens_per_second', (outputTokens - 1) / seconds);
    decodeSpan.end(at);
    recordDuration(instruments.decode, seconds);
    recordDuration(
      instruments.inference,
      ((lastTokenAt ?? prefilled.endedAt) - prefilled.startedAt) / 1000,
    );
  }

  function recordGenAi(fact: Ending, durationSeconds: number): void {
    if (labels === undefined || fact.outcome === 'rejected') return;
    const ok = fact.outcome === 'completed';
    recordDuration(
      instruments.requestDuration,
      durationSeconds,
      ok ? labels : { ...labels, [a.errorType]: fact.reason },
    );
    if (prefilled !== undefined) {
      instruments.tokenUsage.record(prefilled.inputTokens, {
        ...labels,
        [a.genAiTokenType]: 'input',
      });
      instruments.tokenUsage.record(outputTokens, { ...labels, [a.genAiTokenType]: 'output' });
    }
    if (!ok || firstTokenAt === undefined || lastTokenAt === undefined || outputTokens < 2) return;
    const perToken = (lastTokenAt - firstTokenAt) / 1000 / (outputTokens - 1);
    recordDuration(instruments.perToken, perToken, labels);
  }

  function closeSpan(fact: Ending & { at: number; message?: string }): void {
    span.setAttributes({
      'inference.outcome': fact.outcome,
      'inference.reason': fact.reason,
      'gen_ai.usage.input_tokens': prefilled?.inputTokens ?? tokenized?.inputTokens ?? 0,
      'gen_ai.usage.cache_read.input_tokens': prefilled?.cachedTokens ?? 0,
      'gen_ai.usage.output_tokens': outputTokens,
    });
    if (fact.outcome === 'completed') {
      span.setAttribute('gen_ai.response.finish_reasons', [fact.reason]);
    } else {
      span.setAttribute(a.errorType, fact.reason);
    }
    if (fact.outcome === 'failed') {
      span.setStatus({ code: SpanStatusCode.ERROR, message: fact.message ?? fact.reason });
    }
    span.end(fact.at);
  }

  function summarise(fact: Ending & { at: number }): GenerationSummary {
    const decodeSeconds = seconds(prefilled?.endedAt, lastTokenAt);
    return {
      outcome: fact.outcome,
      reason: fact.reason,
      traceId: span.spanContext().traceId,
      spanId: span.spanContext().spanId,
      inputTokens: prefilled?.inputTokens ?? tokenized?.inputTokens ?? 0,
      cachedTokens: prefilled?.cachedTokens ?? 0,
      outputTokens,
      tokenizeSeconds: seconds(tokenized?.startedAt, tokenized?.endedAt),
      queueSeconds: seconds(queuedAt, startedAt),
      prefillSeconds: seconds(prefilled?.startedAt, prefilled?.endedAt),
      firstTokenSeconds: seconds(begin.at, firstTokenAt),
      decodeSeconds,
      durationSeconds: (fact.at - begin.at) / 1000,
      tokensPerSecond:
        decodeSeconds !== undefined && decodeSeconds > 0
          ? (outputTokens - 1) / decodeSeconds
          : undefined,
    };
  }

  return {
    context: spanContext,
    admitted(fact) {
      labels = genAiLabels(begin.operation, fact.model);
      span.updateName(`${begin.operation} ${fact.model}`);
      span.setAttributes({
        [a.genAiRequestModel]: fact.requestedModel,
        [a.genAiResponseModel]: fact.model,
        'gen_ai.response.id': fact.responseId,
        'inference.stream': fact.stream,
      });
      const optional: Record<string, Attributes[string]> = {
        'gen_ai.request.max_tokens': fact.maxTokens,
        'gen_ai.request.temperature': fact.temperature,
        'gen_ai.request.top_p': fact.topP,
        'gen_ai.request.top_k': fact.topK,
        'gen_ai.request.seed': fact.seed,
      };
      for (const [name, value] of Object.entries(optional)) {
        if (value !== undefined) span.setAttribute(name, value);
      }
    },
    tokenized(fact) {
      tokenized = fact;
      childSpan(spans.tokenize, fact.startedAt, { 'inference.input_tokens': fact.inputTokens }).end(
        fact.endedAt,
      );
      recordDuration(instruments.tokenize, (fact.endedAt - fact.startedAt) / 1000);
    },
    queued(fact) {
      queuedAt = fact.at;
      queueSpan = childSpan(spans.queue, fact.at, { 'inference.queue.position': fact.position });
      instruments.queueDepth.add(1);
    },
    started(fact) {
      leaveQueue(fact.at);
      startedAt = fact.at;
      active = true;
      instruments.sequencesActive.add(1);
    },
    prefilled(fact) {
      prefilled = fact;
      const counts = {
        'inference.input_tokens': fact.inputTokens,
        'inference.cached_tokens': fact.cachedTokens,
      };
      childSpan(spans.prefill, fact.startedAt, counts).end(fact.endedAt);
      recordDuration(instruments.prefill, (fact.endedAt - fact.startedAt) / 1000);
      instruments.tokens.add(fact.inputTokens - fact.cachedTokens, { [a.type]: 'input' });
      instruments.tokens.add(fact.cachedTokens, { [a.type]: 'cached_input' });
      decodeSpan = childSpan(spans.decode, fact.endedAt);
    },
    token(fact) {
      outputTokens += 1;
      instruments.tokens.add(1, outputLabel);
      if (lastTokenAt === undefined) {
        firstTokenAt = fact.at;
        decodeSpan?.addEvent('first_token', fact.at);
        if (labels) recordDuration(instruments.firstToken, (fact.at - begin.at) / 1000, labels);
      } else {
        recordDuration(instruments.interToken, (fact.at - lastTokenAt) / 1000);
      }
      lastTokenAt = fact.at;
    },
    streamEnded(how) {
      if (streamHow !== undefined) return;
      streamHow = how;
      instruments.terminations.add(1, { [a.how]: how });
    },
    end(fact) {
      if (summary !== undefined) return summary;
      summary = summarise(fact);
      leaveQueue(fact.at);
      closeDecode(fact.at);
      if (active) instruments.sequencesActive.add(-1);
      recordGenAi(fact, summary.durationSeconds);
      instruments.requests.add(1, { [a.outcome]: fact.outcome, [a.reason]: fact.reason });
      closeSpan(fact);
      return summary;
    },
  };
}

function seconds(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : (to - from) / 1000;
}

// One object for all tokens: this is the hot path.
const outputLabel: Attributes = { [a.type]: 'output' };
