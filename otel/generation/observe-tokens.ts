/** Observes any stream of tokens as one generation. Part of `llamascope/otel`, for programs without a queue and an engine of ours. */
import { randomUUID } from 'node:crypto';
import { epochMillis } from '../clock.ts';
import type { Generation, InferenceTelemetry } from './inference.ts';
import type { Ending, Operation } from '../names.ts';

export interface ObservedTokens {
  /** The id that `setModel` was told. */
  model: string;
  inputTokens: number;
  /** Those of them whose state the sequence already held. */
  cachedTokens?: number;
  /** Ends the answer with `length` after so many; without it, the model ends it. */
  maxTokens?: number;
  operation?: Operation;
}

/**
 * Passes the tokens on and makes the spans and metrics of one generation. It is completed when the stream ends or has `maxTokens`,
 * cancelled when its reader leaves before that, and failed when it throws.
 */
export async function* observeTokens<Token>(
  inference: InferenceTelemetry,
  options: ObservedTokens,
  tokens: AsyncIterable<Token>,
): AsyncGenerator<Token, void, void> {
  const { model, operation = 'chat', maxTokens = Number.POSITIVE_INFINITY } = options;
  const startedAt = epochMillis();
  const generation = inference.begin({ operation, at: startedAt });
  const responseId = randomUUID();
  generation.admitted({ model, requestedModel: model, responseId, stream: true });
  generation.started({ at: startedAt });
  let ending: Ending = { outcome: 'cancelled', reason: 'client_gone' };
  let count = 0;
  try {
    for await (const token of tokens) {
      const at = epochMillis();
      if (count === 0) tellPrefill(generation, options, startedAt, at);
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
    generation.end({ ...ending, at: epochMillis() });
  }
}

/** From outside, the prompt is evaluated when the first token is there. */
function tellPrefill(
  generation: Generation,
  { inputTokens, cachedTokens = 0 }: ObservedTokens,
  startedAt: number,
  endedAt: number,
): void {
  generation.prefilled({ startedAt, endedAt, inputTokens, cachedTokens });
}
