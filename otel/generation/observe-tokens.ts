/** Observes a stream of tokens as one generation. Part of `@llamascope/otel`, for programs that use node-llama-cpp directly. */
import { randomUUID } from 'node:crypto';
import { monotonicMillis } from '../clock.ts';
import type { InferenceTelemetry } from './inference.ts';
import type { Ending, Operation } from '../names.ts';

export interface ObservedTokens {
  /** The id given to `setModel`. */
  model: string;
  inputTokens: number;
  /** The part of `inputTokens` that the sequence had evaluated before. */
  cachedTokens?: number;
  /** Ends the answer with the reason `length` after this many tokens. */
  maxTokens?: number;
  operation?: Operation;
}

/**
 * Yields the tokens, and records the spans and metrics of one generation. Outcome: completed if the stream ends or reaches `maxTokens`,
 * cancelled if the consumer stops early, failed if the stream throws.
 */
export async function* observeTokens<Token>(
  inference: InferenceTelemetry,
  options: ObservedTokens,
  tokens: AsyncIterable<Token>,
): AsyncGenerator<Token, void, void> {
  const { model, inputTokens, cachedTokens = 0, operation = 'chat' } = options;
  const { maxTokens = Number.POSITIVE_INFINITY } = options;
  const startedAt = monotonicMillis();
  const generation = inference.begin({ operation, at: startedAt });
  const responseId = randomUUID();
  generation.admitted({ model, requestedModel: model, responseId, stream: true });
  generation.started({ at: startedAt });
  let ending: Ending = { outcome: 'cancelled', reason: 'client_gone' };
  let count = 0;
  try {
    for await (const token of tokens) {
      const at = monotonicMillis();
      // The end of prefill is not visible here, so the first token marks it.
      if (count === 0) generation.prefilled({ startedAt, endedAt: at, inputTokens, cachedTokens });
      generation.token({ at });
      count += 1;
      yield token;
      if (count >= maxTokens) break;
    }
    ending = { outcome: 'completed', reason: count >= maxTokens ? 'length' : 'stop' };
  } catch (error) {
    ending = { outcome: 'failed', reason: 'engine_error' };
    throw error;
  } finally {
    generation.end({ ...ending, at: monotonicMillis() });
  }
}
