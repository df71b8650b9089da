/** One streamed completion, with the time of every frame that contains text. Used by the benchmarks. */
import { createParser } from 'eventsource-parser';

/** Times are milliseconds of `performance.now()`. */
export interface Streamed {
  sentAt: number;
  tokenTimes: number[];
  endedAt: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  text: string;
  /** Message of the error frame that ended the stream, if there was one. */
  failure?: string;
}

export interface StreamOptions {
  prompt: string;
  maxTokens: number;
  /** Ends the stream early; the result contains the frames that have arrived. */
  signal?: AbortSignal;
  onToken?: () => void;
}

interface Chunk {
  choices?: { text?: string }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
  } | null;
  error?: { message: string };
}

/** @throws Error for any status but 200. */
export async function streamCompletion(url: string, options: StreamOptions): Promise<Streamed> {
  const { prompt, maxTokens, signal } = options;
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
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error !== undefined) result.failure = chunk.error.message;
      const text = chunk.choices?.[0]?.text ?? '';
      if (text !== '') {
        result.text += text;
        result.tokenTimes.push(performance.now());
        options.onToken?.();
      }
      result.inputTokens = chunk.usage?.prompt_tokens ?? result.inputTokens;
      result.cachedTokens = chunk.usage?.prompt_tokens_details?.cached_tokens ?? 0;
      result.outputTokens = chunk.usage?.completion_tokens ?? result.outputTokens;
    },
  });
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        prompt,
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
