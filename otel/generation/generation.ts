/**
 * One generation as telemetry sees it: facts come in, in any order an engine or a client can bring about, and spans and
 * metrics come out once. `inference.ts` begins them.
 */
import {
  context,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { contentAttributes, type Content } from './content.ts';
import {
  known,
  phaseSeconds,
  recordEnding,
  secondsBetween,
  summarise,
  type Facts,
  type GenerationSummary,
  type PhaseSeconds,
} from './generation-summary.ts';
import type { Instruments } from '../metrics/instruments.ts';
import {
  attributes as a,
  firstTokenEvent,
  genAiProvider,
  spanAttributes as s,
  spans,
  type Ending,
  type Operation,
  type StreamEnding,
} from '../names.ts';
import { labelSet } from '../metrics/series.ts';

interface Admission {
  /** The catalogue's id, which becomes a label. */
  model: string;
  /** What the client wrote, which goes to the span alone. */
  requestedModel: string;
  responseId: string;
  stream: boolean;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  stop?: readonly string[];
  /** When the request was found good; without it, when its headers arrived. */
  at?: number;
}

/** All times are epoch milliseconds. A fact that comes after the end, or comes twice, changes nothing. */
export interface Generation {
  /** Holds the chat span. */
  readonly context: Context;
  /** Whether `content` is wanted; false unless the person who runs the program asked for it. */
  readonly capturesContent: boolean;
  admitted(fact: Admission): void;
  tokenized(fact: { startedAt: number; endedAt: number; inputTokens: number }): void;
  queued(fact: { at: number; position: number }): void;
  /** It has a sequence; until its prompt is read it goes on waiting. */
  started(fact: { at: number }): void;
  /** `inputTokens` includes the cached ones. */
  prefilled(fact: {
    startedAt: number;
    endedAt: number;
    inputTokens: number;
    cachedTokens: number;
  }): void;
  /** One output token; `logprob` is the natural logarithm of its probability, where the engine knows it. */
  token(fact: { at: number; logprob?: number | undefined }): void;
  /** The phases that have ended so far. */
  timings(): PhaseSeconds;
  /** What was said, for the span alone; ignored unless it is captured. May come in parts. */
  content(fact: Content): void;
  /** What the client saw of the stream; the first word counts. */
  streamEnded(how: StreamEnding): void;
  /** The second call returns the first summary. */
  end(fact: Ending & { at: number; message?: string }): GenerationSummary;
}

const outputToken = Object.freeze({ [a.type]: 'output' });
const inputToken = Object.freeze({ [a.type]: 'input' });
const cachedToken = Object.freeze({ [a.type]: 'cached_input' });

/** `contentLimit` is the most characters of a conversation that a span takes, 0 for none at all. */
export function beginGeneration(
  {
    instruments,
    tracer,
    contentLimit,
  }: { instruments: Instruments; tracer: Tracer; contentLimit: number },
  begun: { operation: Operation; at: number },
): Generation {
  const chat = tracer.startSpan(spans.chat, {
    startTime: begun.at,
    attributes: { [a.genAiOperationName]: begun.operation, [a.genAiProviderName]: genAiProvider },
  });
  const within = trace.setSpan(context.active(), chat);
  const facts: Facts = {
    operation: begun.operation,
    admittedAt: begun.at,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    logprobs: 0,
    logprobSum: 0,
  };
  const capturesContent = contentLimit > 0;
  let content: Content = {};
  let isWaiting = false;
  let queue: Span | undefined;
  let decode: Span | undefined;
  let terminated = false;
  let summary: GenerationSummary | undefined;

  const startSpan = (name: string, startTime: number, attributes: Attributes = {}): Span =>
    tracer.startSpan(name, { startTime, attributes }, within);
  const leaveQueue = (): void => {
    if (isWaiting) instruments.add('inferenceQueueDepth', -1);
    isWaiting = false;
  };
  const endQueue = (at: number): void => {
    if (facts.queuedAt === undefined || queue === undefined) return;
    const seconds = secondsBetween(facts.queuedAt, at);
    instruments.record('inferenceQueueDuration', seconds, undefined, chat.spanContext());
    endSpan(queue, at, facts.queuedAt);
    queue = undefined;
  };

  return {
    context: within,
    capturesContent,
    admitted(fact) {
      if (summary !== undefined || facts.model !== undefined) return;
      facts.model = fact.model;
      facts.admittedAt = fact.at ?? begun.at;
      chat.updateName(`${begun.operation} ${fact.model}`);
      chat.setAttributes(admissionAttributes(fact));
    },
    tokenized(fact) {
      if (summary !== undefined || facts.tokenizeSeconds !== undefined) return;
      facts.inputTokens = fact.inputTokens;
      facts.tokenizeSeconds = secondsBetween(fact.startedAt, fact.endedAt);
      instruments.record(
        'inferenceTokenizeDuration',
        facts.tokenizeSeconds,
        undefined,
        chat.spanContext(),
      );
      const span = startSpan(spans.tokenize, fact.startedAt, { [s.inputTokens]: fact.inputTokens });
      endSpan(span, fact.endedAt, fact.startedAt);
    },
    queued(fact) {
      if (summary !== undefined || facts.queuedAt !== undefined) return;
      facts.queuedAt = fact.at;
      isWaiting = true;
      instruments.add('inferenceQueueDepth', 1);
      queue = startSpan(spans.queue, fact.at, { [s.queuePosition]: fact.position });
    },
    started(fact) {
      if (summary !== undefined || facts.startedAt !== undefined) return;
      facts.startedAt = fact.at;
      leaveQueue();
      instruments.add('inferenceSequencesActive', 1);
    },
    prefilled(fact) {
      if (summary !== undefined || facts.prefill !== undefined) return;
      // With a sequence of its own it still waits for the prompts that are read before its own.
      endQueue(fact.startedAt);
      facts.prefill = fact;
      facts.inputTokens = fact.inputTokens;
      facts.cachedTokens = fact.cachedTokens;
      instruments.add('inferenceTokens', fact.inputTokens - fact.cachedTokens, inputToken);
      instruments.add('inferenceTokens', fact.cachedTokens, cachedToken);
      const seconds = secondsBetween(fact.startedAt, fact.endedAt);
      instruments.record('inferencePrefillDuration', seconds, undefined, chat.spanContext());
      const span = startSpan(spans.prefill, fact.startedAt, {
        [s.inputTokens]: fact.inputTokens,
        [s.cachedTokens]: fact.cachedTokens,
      });
      endSpan(span, fact.endedAt, fact.startedAt);
      decode = startSpan(spans.decode, fact.endedAt);
    },
    token(fact) {
      if (summary !== undefined) return;
      facts.outputTokens += 1;
      if (fact.logprob !== undefined) {
        facts.logprobs += 1;
        facts.logprobSum += fact.logprob;
      }
      instruments.add('inferenceTokens', 1, outputToken);
      if (facts.lastTokenAt === undefined) {
        facts.firstTokenAt = fact.at;
        decode?.addEvent(firstTokenEvent, fact.at);
      } else {
        instruments.record('inferenceInterTokenDuration', (fact.at - facts.lastTokenAt) / 1000);
      }
      facts.lastTokenAt = fact.at;
    },
    timings: () => phaseSeconds(facts),
    content(fact) {
      if (capturesContent && summary === undefined) content = { ...content, ...fact };
    },
    streamEnded(how) {
      if (terminated) return;
      terminated = true;
      instruments.add(
        'inferenceStreamTerminations',
        1,
        labelSet(`stream ${how}`, () => ({ [a.how]: how })),
      );
    },
    end(fact) {
      if (summary !== undefined) return summary;
      summary = summarise(facts, fact, chat);
      leaveQueue();
      endQueue(facts.startedAt ?? fact.at);
      if (facts.startedAt !== undefined) {
        instruments.add('inferenceSequencesActive', -1);
        // A prefill that was cut short has no fact of its own, and still took its time.
        if (facts.prefill === undefined) {
          endSpan(startSpan(spans.prefill, facts.startedAt), fact.at, facts.startedAt);
        }
      }
      if (decode !== undefined && facts.prefill !== undefined) {
        decode.setAttributes(decodeAttributes(summary));
        const endedAt = fact.outcome === 'completed' ? facts.lastTokenAt : fact.at;
        endSpan(decode, endedAt ?? fact.at, facts.prefill.endedAt);
      }
      recordEnding(instruments, facts, summary, chat);
      if (capturesContent) {
        chat.setAttributes(contentAttributes(content, summary.reason, contentLimit));
      }
      endChat(chat, summary, fact, begun.at);
      return summary;
    },
  };
}

function endChat(
  chat: Span,
  summary: GenerationSummary,
  ending: Ending & { at: number; message?: string },
  begunAt: number,
): void {
  const { outcome, reason } = summary;
  chat.setAttributes({
    [a.outcome]: outcome,
    [a.reason]: reason,
    [s.inputTokens]: summary.inputTokens,
    [s.cachedTokens]: summary.cachedTokens,
    [s.outputTokens]: summary.outputTokens,
    ...(outcome === 'completed' ? { [s.finishReasons]: [reason] } : { [a.errorType]: reason }),
  });
  if (outcome === 'failed') {
    chat.setStatus({ code: SpanStatusCode.ERROR, message: ending.message ?? reason });
  }
  endSpan(chat, ending.at, begunAt);
}

function decodeAttributes({ outputTokens, tokensPerSecond }: GenerationSummary): Attributes {
  return { [s.outputTokens]: outputTokens, ...known({ [s.tokensPerSecond]: tokensPerSecond }) };
}

function admissionAttributes(fact: Admission): Attributes {
  return {
    [a.genAiRequestModel]: fact.requestedModel,
    [a.genAiResponseModel]: fact.model,
    [s.responseId]: fact.responseId,
    [s.stream]: fact.stream,
    ...known({
      [s.maxTokens]: fact.maxTokens,
      [s.temperature]: fact.temperature,
      [s.topP]: fact.topP,
      [s.topK]: fact.topK,
      [s.seed]: fact.seed,
      [s.stopSequences]: fact.stop === undefined ? undefined : [...fact.stop],
    }),
  };
}

/** Two processes stamp the facts; the SDK turns an end before the start into a warning and a wrong span. */
function endSpan(span: Span, endedAt: number, startedAt: number): void {
  span.end(Math.max(endedAt, startedAt));
}
