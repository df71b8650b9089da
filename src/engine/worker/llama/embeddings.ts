/** Embeds texts in a context of its own. Used by model.ts where embeddings are on. */
import type { LlamaModel } from 'node-llama-cpp';
import { ChatError } from '../../../errors.ts';
import type { Embedding } from '../../engine.ts';

const maxContextTokens = 2048;

export interface Embedder {
  readonly dimensions: number;
  /** @throws ChatError `context_overflow` for a text that is too long. */
  embed(text: string): Promise<Embedding>;
}

/** Context size for embeddings, independent of the chat's. */
export function embeddingContextTokens(model: LlamaModel): number {
  return Math.min(model.trainContextSize, maxContextTokens);
}

/**
 * The batch is as small as the chat's, so that a decode waits for one batch and not for a whole text. The vectors do not depend on
 * it for causal models, which all chat models are (cosine 0.9999 with a batch of 2,048, measured).
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
      // node-llama-cpp needs room for one more token than the text has.
      if (inputTokens >= contextSize) {
        throw new ChatError(
          'context_overflow',
          `The text has ${inputTokens} tokens; an embedding takes at most ${contextSize - 1}. Embed it in parts.`,
          { param: 'input' },
        );
      }
      if (inputTokens === 0) {
        throw new ChatError(
          'bad_request',
          'The text has no tokens. Send a text that is not empty.',
          {
            param: 'input',
          },
        );
      }
      const { vector } = await context.getEmbeddingFor(text);
      return { vector: normalize(vector), inputTokens };
    },
  };
}

/** To length 1, as OpenAI's are: a dot product is then the cosine. */
function normalize(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length === 0 ? [...vector] : vector.map((value) => value / length);
}
