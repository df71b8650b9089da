/** Texts as vectors, in a context of their own. Used by model.ts where embeddings are asked for. */
import type { LlamaModel } from 'node-llama-cpp';
import { ChatError } from '../../../errors.ts';
import type { Embedding } from '../../engine.ts';

const maxContextTokens = 2048;

export interface Embedder {
  readonly dimensions: number;
  /** @throws ChatError `context_overflow` for a text that is too long. */
  embed(text: string): Promise<Embedding>;
}

/** What an embedding's context holds, whatever the chat's does. */
export function embeddingContextTokens(model: LlamaModel): number {
  return Math.min(model.trainContextSize, maxContextTokens);
}

/**
 * A batch is as small as the chat's, so that those who decode wait for one of it and not for a whole text. The vectors are the
 * same for a model that reads forwards, as all that chat do (cosine 0.9999 with a batch of 2,048, measured).
 */
export async function createEmbedder(
  model: LlamaModel,
  options: { batchTokens: number; threads: number },
): Promise<Embedder> {
  const contextSize = embeddingContextTokens(model);
  const context = await model.createEmbeddingContext({
    contextSize,
    batchSize: options.batchTokens,
    threads: options.threads,
  });
  return {
    dimensions: model.embeddingVectorSize,
    async embed(text) {
      const inputTokens = context.calculateInputLength(text);
      // The library needs one more than the text has.
      if (inputTokens >= contextSize) {
        throw new ChatError(
          'context_overflow',
          `The text has ${inputTokens} tokens; an embedding takes at most ${contextSize - 1}. Embed it in parts.`,
          { param: 'input' },
        );
      }
      if (inputTokens === 0) {
        throw new ChatError('bad_request', 'Expected a text of at least one token, got none.', {
          param: 'input',
        });
      }
      const { vector } = await context.getEmbeddingFor(text);
      return { vector: normalize(vector), inputTokens };
    },
  };
}

/** To length 1, as OpenAI's are, so that a dot product is the cosine. */
function normalize(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length === 0 ? [...vector] : vector.map((value) => value / length);
}
