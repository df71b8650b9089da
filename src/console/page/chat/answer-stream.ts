/** Requests one streamed answer from `/v1/chat/completions`. Used by `running-answers.ts`. */
import { createParser } from 'eventsource-parser';
import type { Phase } from '../../../../otel/traces/rows.ts';
import { readFailure, request as send, type Failure } from '../client.ts';
import { parseWait, type Wait } from './wait.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRequest {
  messages: ChatMessage[];
  temperature: number;
  max_tokens: number;
}

/** Usage and timings of an answer, from the last chunks of its stream. Of one that did not end, from its trace. */
export interface AnswerFacts {
  /** Undefined if the answer did not end and its trace cannot be read. */
  inputTokens: number | undefined;
  cachedTokens: number;
  outputTokens: number;
  tokensPerSecond: number | undefined;
  firstTokenSeconds: number | undefined;
  /** `length`: truncated at `max_tokens`. */
  finishReason: string;
  /** Seconds. */
  phases: Record<Phase, number | undefined>;
}

/** `refused`: failed before the first byte. `broken`: failed after it. */
export type Ending =
  | { state: 'done'; facts: AnswerFacts | undefined }
  | { state: 'stopped' }
  | { state: 'broken' | 'refused'; failure: Failure };

const connectionLost: Ending = {
  state: 'broken',
  failure: { code: 'connection_lost', message: '' },
};

interface Chunk {
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
  } | null;
  timings?: Record<string, number | undefined>;
  error?: { message: string; code: string };
}

export interface StreamOptions {
  /** By it a proxy returns the conversation to the replica that has its prefix in the cache. */
  conversationId: string;
  signal: AbortSignal;
  onTrace: (traceId: string) => void;
  onWait: (wait: Wait) => void;
  onText: (text: string) => void;
}

/** Ollama and OpenAI answer no request without a model. */
let backendModel: string | undefined;

/** In front of another server each request names this model of it. */
export function setBackendModel(id: string | undefined): void {
  backendModel = id;
}

/** Never throws: a stream that ends without `[DONE]` for any reason is interrupted. */
export async function streamAnswer(request: ChatRequest, options: StreamOptions): Promise<Ending> {
  try {
    const response = await send('/v1/chat/completions', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-conversation-id': options.conversationId,
      },
      body: JSON.stringify({
        ...(backendModel !== undefined && { model: backendModel }),
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal: options.signal,
    });
    const traceId = response?.headers.get('traceparent')?.split('-')[1];
    if (traceId !== undefined) options.onTrace(traceId);
    if (response?.ok !== true || response.body === null) {
      return { state: 'refused', failure: await readFailure(response) };
    }
    return await readChunks(response.body, options);
  } catch {
    return options.signal.aborted ? { state: 'stopped' } : connectionLost;
  }
}

async function readChunks(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { onText, onWait }: Pick<StreamOptions, 'onText' | 'onWait'>,
): Promise<Ending> {
  let done = false;
  let failure: Failure | undefined;
  /** Chunks that tell more than a text. */
  const facts: Chunk[] = [];
  const parser = createParser({
    onComment(comment) {
      const wait = parseWait(comment);
      if (wait !== undefined) onWait(wait);
    },
    onEvent({ data }) {
      if (data === '[DONE]') {
        done = true;
        return;
      }
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error !== undefined) failure = chunk.error;
      const text = chunk.choices?.[0]?.delta?.content;
      if (text !== undefined && text !== '') onText(text);
      // Some servers put them beside the last text.
      const hasFacts = chunk.usage ?? chunk.timings ?? chunk.choices?.[0]?.finish_reason;
      if (hasFacts !== undefined && hasFacts !== null) facts.push(chunk);
    },
  });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parser.feed(part.value);
  }
  if (failure !== undefined) return { state: 'broken', failure };
  return done ? { state: 'done', facts: toFacts(facts) } : connectionLost;
}

function toFacts(chunks: readonly Chunk[]): AnswerFacts | undefined {
  const usage = chunks.find((chunk) => chunk.usage)?.usage;
  if (usage === undefined || usage === null) return undefined;
  const timings = chunks.find((chunk) => chunk.timings !== undefined)?.timings ?? {};
  const reasons = chunks.flatMap((chunk) => chunk.choices ?? []);
  return {
    inputTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
    finishReason: reasons.find((choice) => choice.finish_reason)?.finish_reason ?? 'stop',
    tokensPerSecond: timings['tokens_per_second'],
    firstTokenSeconds: timings['first_token_seconds'],
    phases: {
      queue: timings['queue_seconds'],
      tokenize: timings['tokenize_seconds'],
      prefill: timings['prefill_seconds'],
      decode: timings['decode_seconds'],
    },
  };
}
