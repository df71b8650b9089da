/** Token counts and timings, as every answer reports them. */
import { z } from 'zod';
import type { CountedSummary, GenerationSummary } from '../../../otel/generation/inference.ts';

export const Usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});

const seconds = z.number().min(0).optional();

const millis = z.number().min(0);

/** As llama-server reports them. `prompt_n`: the tokens of the prompt that were not in the KV cache. */
export const TokenTimings = z.object({
  cache_n: z.int(),
  prompt_n: z.int(),
  prompt_ms: millis,
  prompt_per_token_ms: millis,
  prompt_per_second: millis,
  predicted_n: z.int(),
  predicted_ms: millis,
  predicted_per_token_ms: millis,
  predicted_per_second: millis,
});

/** As llama-server reports it: tokens of the prompt, and milliseconds since its evaluation began. */
export const PromptProgress = z.object({
  total: z.int(),
  cache: z.int(),
  processed: z.int(),
  time_ms: z.int(),
});

/** Seconds, as in the metrics. A phase that did not happen is absent; the speed needs two tokens. */
export const Timings = z.object({
  ...TokenTimings.partial().shape,
  queue_seconds: seconds,
  tokenize_seconds: seconds,
  prefill_seconds: seconds,
  first_token_seconds: seconds,
  decode_seconds: seconds,
  duration_seconds: seconds,
  tokens_per_second: seconds,
});

export function toUsage(summary: CountedSummary): z.infer<typeof Usage> {
  return {
    prompt_tokens: summary.inputTokens,
    completion_tokens: summary.outputTokens,
    total_tokens: summary.inputTokens + summary.outputTokens,
    prompt_tokens_details: { cached_tokens: summary.cachedTokens },
  };
}

/** `timings_per_token` adds llama-server's. */
export function toTimings(
  summary: GenerationSummary,
  perToken?: z.infer<typeof TokenTimings>,
): z.infer<typeof Timings> {
  return {
    ...perToken,
    queue_seconds: summary.queueSeconds,
    tokenize_seconds: summary.tokenizeSeconds,
    prefill_seconds: summary.prefillSeconds,
    first_token_seconds: summary.firstTokenSeconds,
    decode_seconds: summary.decodeSeconds,
    duration_seconds: summary.durationSeconds,
    tokens_per_second: summary.tokensPerSecond,
  };
}
