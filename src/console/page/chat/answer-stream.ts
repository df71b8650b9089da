/** Asks `/v1/chat/completions` for one streamed answer and says how it ended. Used by `answering.ts`. */
import { createParser } from 'eventsource-parser';
import { ask, readFailure, type Failure } from '../client.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRequest {
  messages: ChatMessage[];
  temperature: number;
  max_tokens: number;
}

/** What the service tells of an answer; seconds, as in its metrics. */
export interface AnswerFacts {
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  tokensPerSecond?: number;
  firstTokenSeconds?: number;
  durationSeconds?: number;
  /** `length` where the limit on tokens cut it. */
  finishReason: string;
  phases: Partial<Record<'queue' | 'tokenize' | 'prefill' | 'decode', number>>;
}

/** `refused` before the first byte, `broken` after it. */
export type Ending =
  | { kind: 'done'; facts: AnswerFacts | undefined }
  | { kind: 'stopped' }
  | { kind: 'broken'; failure: Failure }
  | { kind: 'refused'; failure: Failure };

interface Frame {
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
  signal: AbortSignal;
  onTrace: (traceId: string) => void;
  onText: (text: string) => void;
}

/** Never throws: a stream that ends without `[DONE]` is broken, whatever the reason. */
export async function streamAnswer(request: ChatRequest, options: StreamOptions): Promise<Ending> {
  try {
    const response = await ask('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
      signal: options.signal,
    });
    const traceId = response?.headers.get('traceparent')?.split('-')[1];
    if (traceId !== undefined) options.onTrace(traceId);
    if (response?.ok !== true || response.body === null) {
      return { kind: 'refused', failure: await readFailure(response) };
    }
    return await readFrames(response.body, options.onText);
  } catch {
    if (options.signal.aborted) return { kind: 'stopped' };
    return { kind: 'broken', failure: { code: 'connection_lost', message: '' } };
  }
}

async function readFrames(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onText: (text: string) => void,
): Promise<Ending> {
  let done = false;
  let failure: Failure | undefined;
  const told: Frame[] = [];
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') {
        done = true;
        return;
      }
      const frame = JSON.parse(data) as Frame;
      if (frame.error !== undefined) failure = frame.error;
      const text = frame.choices?.[0]?.delta?.content;
      if (text !== undefined && text !== '') onText(text);
      else told.push(frame);
    },
  });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parser.feed(part.value);
  }
  if (failure !== undefined) return { kind: 'broken', failure };
  if (!done) return { kind: 'broken', failure: { code: 'connection_lost', message: '' } };
  return { kind: 'done', facts: toFacts(told) };
}

function toFacts(frames: readonly Frame[]): AnswerFacts | undefined {
  const usage = frames.find((frame) => frame.usage)?.usage;
  if (usage === undefined || usage === null) return undefined;
  const timings = frames.find((frame) => frame.timings !== undefined)?.timings ?? {};
  const reasons = frames.flatMap((frame) => frame.choices ?? []);
  const facts = {
    tokensPerSecond: timings['tokens_per_second'],
    firstTokenSeconds: timings['first_token_seconds'],
    durationSeconds: timings['duration_seconds'],
  };
  const phases = {
    queue: timings['queue_seconds'],
    tokenize: timings['tokenize_seconds'],
    prefill: timings['prefill_seconds'],
    decode: timings['decode_seconds'],
  };
  return {
    inputTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
    finishReason: reasons.find((choice) => choice.finish_reason)?.finish_reason ?? 'stop',
    ...known(facts),
    phases: known(phases),
  };
}

/** Without what is undefined. */
function known<Key extends string>(
  values: Record<Key, number | undefined>,
): Partial<Record<Key, number>> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Record<Key, number>>;
}
