/** One streamed answer of /v1/chat/completions, with the time of every chunk that contains text. Used by the benchmarks. */
import { createParser } from 'eventsource-parser';

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** Times are milliseconds of `performance.now()`. */
export interface Streamed {
  sentAt: number;
  tokenTimes: number[];
  endedAt: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  text: string;
}

export interface StreamOptions {
  messages: readonly Message[];
  maxTokens: number;
  /** Ends the stream early; the result contains the chunks that have arrived. */
  signal?: AbortSignal;
  onToken?: () => void;
}

interface Chunk {
  choices?: { delta?: { content?: string | null } }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
  } | null;
  error?: { message: string };
}

/** @throws Error for any status but 200, and for an error in the stream. */
export async function streamChat(url: string, options: StreamOptions): Promise<Streamed> {
  const { messages, maxTokens, signal } = options;
  const result: Streamed = {
    sentAt: performance.now(),
    tokenTimes: [],
    endedAt: 0,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    text: '',
  };
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return;
      const { choices, usage, error } = JSON.parse(data) as Chunk;
      if (error !== undefined) throw new Error(`${url}: ${error.message}`);
      const text = choices?.[0]?.delta?.content ?? '';
      if (text !== '') {
        result.text += text;
        result.tokenTimes.push(performance.now());
        options.onToken?.();
      }
      if (usage === undefined || usage === null) return;
      result.inputTokens = usage.prompt_tokens;
      result.cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
      result.outputTokens = usage.completion_tokens;
    },
  });
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        messages,
        max_tokens: maxTokens,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
      }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.status !== 200 || response.body === null) {
      throw new Error(`${url}: expected 200, got ${response.status}: ${await response.text()}`);
    }
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) parser.feed(text);
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  result.endedAt = performance.now();
  return result;
}
