/** Texts to embed, one after the other, each in slices between the steps of scheduler.ts. */
import type { Embedder } from './loaded-model.ts';

interface Text extends PromiseWithResolvers<readonly number[] | undefined> {
  readonly tokens: readonly number[];
  evaluated: number;
}

export type EmbeddingJobs = ReturnType<typeof createEmbeddingJobs>;

export function createEmbeddingJobs(embedder: Embedder | undefined) {
  const texts = new Map<number, Text>();

  return {
    /** Resolves with the vector, or with undefined when `id` was cancelled. */
    add(id: number, tokens: readonly number[]): Promise<readonly number[] | undefined> {
      const text = {
        tokens,
        evaluated: 0,
        ...Promise.withResolvers<readonly number[] | undefined>(),
      };
      texts.set(id, text);
      return text.promise;
    },
    /** The slice that is being evaluated is the last one. */
    cancel(id: number): void {
      texts.get(id)?.resolve(undefined);
      texts.delete(id);
    },
    size: () => texts.size,
    /** Evaluates at most `most` tokens of the oldest text. @returns how many, 0 after an error. */
    async step(most: number): Promise<number> {
      const [oldest] = texts;
      if (oldest === undefined || embedder === undefined) return 0;
      const [id, text] = oldest;
      const from = text.evaluated;
      text.evaluated = Math.min(text.tokens.length, from + most);
      try {
        const vector = await embedder.evaluate(text.tokens, from, text.evaluated);
        if (text.evaluated < text.tokens.length) return most;
        text.resolve(vector);
        texts.delete(id);
        return text.evaluated - from;
      } catch (error) {
        text.reject(error);
        texts.delete(id);
        return 0;
      }
    },
  };
}
