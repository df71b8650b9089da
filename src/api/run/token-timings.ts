/**
 * Progress of a prompt and timings of an answer while it is generated, as llama-server reports them
 * (https://github.com/ggml-org/llama.cpp/tree/master/tools/server, `return_progress` and `timings_per_token`). Used by answers.ts.
 */
import type { Fact } from '../../engine/engine.ts';

/** Tokens of the prompt: all, those that were in the KV cache, and those that are evaluated so far, with the cached ones. */
export interface PromptProgress {
  total: number;
  cache: number;
  processed: number;
  time_ms: number;
}

/** Times in milliseconds. `prompt_n` has no cached tokens. */
export interface TokenTimings {
  cache_n: number;
  prompt_n: number;
  prompt_ms: number;
  prompt_per_token_ms: number;
  prompt_per_second: number;
  predicted_n: number;
  predicted_ms: number;
  predicted_per_token_ms: number;
  predicted_per_second: number;
}

/** The timings of one answer, from its facts. */
export function createTokenTimings() {
  let prompt: Extract<Fact, { type: 'prefilled' }> | undefined;
  let tokens = 0;
  let at = 0;
  return {
    receive(fact: Fact): void {
      if (fact.type === 'prefilled') prompt = fact;
      if (fact.type !== 'token') return;
      tokens += 1;
      at = fact.at;
    },
    /** Undefined before the prompt is evaluated. */
    current(): TokenTimings | undefined {
      if (prompt === undefined) return undefined;
      const { startedAt, endedAt, inputTokens, cachedTokens } = prompt;
      const evaluated = speedOf(inputTokens - cachedTokens, endedAt - startedAt);
      const predicted = speedOf(tokens, Math.max(0, at - endedAt));
      return {
        cache_n: cachedTokens,
        prompt_n: evaluated.tokens,
        prompt_ms: evaluated.millis,
        prompt_per_token_ms: evaluated.millisPerToken,
        prompt_per_second: evaluated.tokensPerSecond,
        predicted_n: predicted.tokens,
        predicted_ms: predicted.millis,
        predicted_per_token_ms: predicted.millisPerToken,
        predicted_per_second: predicted.tokensPerSecond,
      };
    },
  };
}

function speedOf(tokens: number, millis: number) {
  return {
    tokens,
    millis,
    millisPerToken: tokens === 0 ? 0 : millis / tokens,
    tokensPerSecond: millis === 0 ? 0 : (tokens / millis) * 1000,
  };
}

/** The progress of a prompt, from its facts; the first is that of its cached tokens, the last that of all. */
export function createPromptProgress(push: (progress: PromptProgress) => void) {
  let startedAt = 0;
  let isFirst = true;
  return function receive(fact: Fact): void {
    if (fact.type === 'started') startedAt = fact.at;
    if (fact.type !== 'prefilling' && fact.type !== 'prefilled') return;
    const { inputTokens: total, cachedTokens: cache } = fact;
    const processed = fact.type === 'prefilled' ? total : fact.evaluatedTokens;
    if (isFirst) push({ total, cache, processed: cache, time_ms: 0 });
    isFirst = false;
    const at = fact.type === 'prefilled' ? fact.endedAt : fact.at;
    push({ total, cache, processed, time_ms: Math.max(0, Math.round(at - startedAt)) });
  };
}
