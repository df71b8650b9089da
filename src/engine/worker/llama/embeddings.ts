/** Embeds texts in a context of its own, a slice at a time. Used by model.ts where embeddings are on. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LlamaContextOptions, LlamaModel, Token } from 'node-llama-cpp';
import { ChatError } from '../../../errors.ts';
import type { Embedder } from '../loaded-model.ts';
import type { Prompts } from './prompt/prompt.ts';

const maxContextTokens = 2048;

/** Context size for embeddings, independent of the chat's. */
export function embeddingContextTokens(model: LlamaModel): number {
  return Math.min(model.trainContextSize, maxContextTokens);
}

/** Parts of node-llama-cpp 3 that its types leave out; `LlamaEmbeddingContext` uses them, but it evaluates a text in one go. */
interface Internals {
  readonly _ctx: { getEmbedding(inputTokens: number): Float64Array };
}
const withEmbeddings = { _embeddings: true } as LlamaContextOptions;
const withoutSampling = { _noSampling: true } as object;

/** The vectors of causal models, which all chat models are, do not depend on the slices (cosine 0.9999 in one batch, measured). */
export async function createEmbedder(
  model: LlamaModel,
  options: { batchTokens: number; threads: number; prompts: Prompts },
): Promise<Embedder> {
  const { batchTokens: batchSize, threads, prompts } = options;
  const contextSize = embeddingContextTokens(model);
  const context = await model.createContext({ contextSize, batchSize, threads, ...withEmbeddings });
  const sequence = context.getSequence();

  /** @returns the vector after the last token. */
  async function evaluateSlice(tokens: readonly number[], from: number, to: number) {
    if (from === 0) {
      await sequence.eraseContextTokenRanges([{ start: 0, end: sequence.nextTokenIndex }]);
    }
    const slice = tokens.slice(from, to) as Token[];
    if (to < tokens.length) {
      await sequence.evaluateWithoutGeneratingNewTokens(slice);
      return undefined;
    }
    await sequence.evaluate(slice, withoutSampling).next();
    const { _ctx } = context as unknown as Internals;
    return normalize([..._ctx.getEmbedding(tokens.length)]);
  }

  return {
    *prepare(input) {
      const tokens =
        typeof input === 'string'
          ? yield* prompts.tokenizeText(input, contextSize)
          : prompts.checkTokens(input, 'input');
      // node-llama-cpp needs room for one more token than the text has.
      if (tokens.length >= contextSize) {
        throw new ChatError(
          'context_overflow',
          `An embedding takes at most ${contextSize - 1} tokens, and the text has more. Embed it in parts.`,
          { param: 'input' },
        );
      }
      if (tokens.length > 0) return tokens;
      const message = 'The text has no tokens. Send a text that is not empty.';
      throw new ChatError('bad_request', message, { param: 'input' });
    },
    async evaluate(tokens, from, to) {
      // node-llama-cpp divides the threads among all contexts that decode in the same turn of the event loop.
      await delay(1);
      const vector = await evaluateSlice(tokens, from, to);
      await delay(1);
      return vector;
    },
  };
}

/** To length 1, as OpenAI's are: a dot product is then the cosine. */
function normalize(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length === 0 ? [...vector] : vector.map((value) => value / length);
}
