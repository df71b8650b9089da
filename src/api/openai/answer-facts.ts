/** Token counts and timings, as every answer reports them. */
import { z } from 'zod';
import type { GenerationSummary } from '../../../otel/generation/inference.ts';

export const Usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});

const seconds = z.number().min(0).optional();

/** Seconds, as in the metrics. A phase that did not happen is absent; the speed needs two tokens. */
export const Timings = z.object({
  queue_seconds: seconds,
  tokenize_seconds: seconds,
  prefill_seconds: seconds,
  first_token_seconds: seconds,
  decode_seconds: seconds,
  duration_seconds: seconds,
  tokens_per_second: seconds,
});

export function toUsage(summary: GenerationSummary): z.infer<typeof Usage> {
  return {
    prompt_tokens: summary.inputTokens,
    completion_tokens: summary.outputTokens,
    total_tokens: summary.inputTokens + summary.outputTokens,
    prompt_tokens_details: { cached_tokens: summary.cachedTokens },
  };
}

export function toTimings(summary: GenerationSummary): z.infer<typeof Timings> {
  return {
    queue_seconds: summary.queueSeconds,
    tokenize_seconds: summary.tokenizeSeconds,
    prefill_seconds: summary.prefillSeconds,
    first_token_seconds: summary.firstTokenSeconds,
    decode_seconds: summary.decodeSeconds,
    duration_seconds: summary.durationSeconds,
    tokens_per_second: summary.tokensPerSecond,
  };
}
