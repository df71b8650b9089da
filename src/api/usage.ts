/** Token counts of an answer in OpenAI's shape. */
import type { GenerationSummary } from '../../otel/inference.ts';

export function toUsage(summary: GenerationSummary): object {
  return {
    prompt_tokens: summary.inputTokens,
    completion_tokens: summary.outputTokens,
    total_tokens: summary.inputTokens + summary.outputTokens,
    prompt_tokens_details: { cached_tokens: summary.cachedTokens },
  };
}
