/** Sampling, with a model of random weights, whose answers vary. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sampling } from '../../../src/engine/engine.ts';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  chat,
  finish,
  generate,
  greedy,
  loadNoise,
  type Answer,
} from '../../support/engine/llama-model.ts';

let model: DisposableModel;
beforeAll(async () => {
  model = await loadNoise();
});
afterAll(() => model.dispose());

const warm: Sampling = { ...greedy, temperature: 1, topK: 40, topP: 0.95, maxTokens: 30 };

function answer(sampling: Partial<Sampling>, prompt = 'Say something.'): Promise<Answer> {
  return generate(model, { prompt: chat(prompt), sampling: { ...warm, ...sampling } });
}

async function tokens(sampling: Partial<Sampling>): Promise<number[]> {
  return (await answer(sampling)).decoded.map(({ token }) => token);
}

/** Count of the most frequent token. */
function maxCount(list: readonly number[]): number {
  return Math.max(...list.map((token) => list.filter((other) => other === token).length));
}

describe('a seed', () => {
  test('determines the answer', async () => {
    const first = await tokens({ seed: 7 });
    expect(await tokens({ seed: 7 })).toEqual(first);
    expect(await tokens({ seed: 8 })).not.toEqual(first);
  });

  test.each([2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, Number.MIN_SAFE_INTEGER])(
    'can be any integer: %i',
    async (seed) => {
      const first = await tokens({ seed });
      expect(await tokens({ seed })).toEqual(first);
      expect(await tokens({ seed: seed - 1 })).not.toEqual(first);
    },
  );

  test('is random by default', async () => {
    expect(await tokens({})).not.toEqual(await tokens({}));
  });
});

describe('temperature 0', () => {
  test('takes the most likely token, whatever the other parameters', async () => {
    const first = await tokens({ temperature: 0, seed: 1 });
    expect(await tokens({ temperature: 0, seed: 2, topP: 0.1, topK: 3, minP: 0.5 })).toEqual(first);
    const { decoded } = await answer({ temperature: 0, topLogprobs: 1 });
    expect(decoded.map(({ top }) => top?.[0]?.[0])).toEqual(first);
  });

  test.each([1e-29, 1e-40, Number.MIN_VALUE])('is also used for %d', async (temperature) => {
    const first = await tokens({ temperature: 0 });
    const { decoded } = await answer({ temperature, topLogprobs: 1 });
    expect(decoded.map(({ token }) => token)).toEqual(first);
    expect(decoded.every(({ top }) => Number.isFinite(top?.[0]?.[1]))).toBe(true);
  });
});

describe('top_k, top_p and min_p', () => {
  test.each<Partial<Sampling>>([{ topK: 1 }, { topP: 0.0001, topK: 0 }, { minP: 1, topK: 0 }])(
    'leave only the most likely token: %j',
    async (limit) => {
      const mostLikely = await tokens({ temperature: 0 });
      expect(await tokens({ topP: 1, seed: 3, ...limit })).toEqual(mostLikely);
    },
  );

  test('top_k 0 is no limit', async () => {
    const { decoded } = await answer({
      topK: 0,
      topP: 1,
      topLogprobs: 20,
      temperature: 2,
      seed: 1,
    });
    const sums = decoded.map(({ top }) => top!.reduce((sum, [, log]) => sum + Math.exp(log), 0));
    // With node-llama-cpp's default top_k of 40 the 20 most likely tokens would have more than half of the probability.
    expect(Math.max(...sums)).toBeLessThan(0.5);
  });
});

describe('penalties', () => {
  test('for presence and frequency reduce repetition', async () => {
    const plain = await tokens({ temperature: 0, maxTokens: 60 });
    expect(maxCount(plain)).toBeGreaterThan(2);
    expect(
      maxCount(await tokens({ temperature: 0, maxTokens: 60, frequencyPenalty: 2 })),
    ).toBeLessThan(maxCount(plain));
    expect(await tokens({ temperature: 0, maxTokens: 60, presencePenalty: 2 })).not.toEqual(plain);
  });

  test('are subtracted from the logit as OpenAI defines it', async () => {
    const [token = 0] = await tokens({ temperature: 0 });
    const forced = { temperature: 0, topLogprobs: 20, logitBias: [[token, 100]] as const };
    const { decoded } = await answer({ ...forced, maxTokens: 3 });
    // How far the token is behind the most likely other one, after it has occurred 0, 1 and 2 times.
    const gaps = decoded.map(({ logprob, top }) => {
      return top!.find(([other]) => other !== token)![1] - logprob!;
    });
    const lengthWith = async (bias: number, count: number, penalties: Partial<Sampling>) => {
      const sampling = { temperature: 0, maxTokens: count, ...penalties };
      const answered = await tokens({ ...sampling, logitBias: [[token, bias]] });
      return answered.filter((each) => each === token).length;
    };
    const both = { presencePenalty: 0.5, frequencyPenalty: 0.25 };
    const enough = Math.max(gaps[0]!, gaps[1]! + 0.75);
    expect(await lengthWith(enough + 0.01, 2, both)).toBe(2);
    expect(await lengthWith(enough - 0.01, 2, both)).toBeLessThan(2);
    const third = Math.max(enough, gaps[2]! + 1);
    expect(await lengthWith(third + 0.01, 3, both)).toBe(3);
    expect(await lengthWith(third - 0.01, 3, both)).toBeLessThan(3);
  });

  test('for repetition apply to the prompt', async () => {
    const [word = 0] = finish(model.tokenize({ kind: 'text', text: 'word' })).tokens;
    const wanted = { temperature: 0, maxTokens: 1, logitBias: [[word, 6]] as const };
    const first = async (repeatPenalty: number) => {
      const sampling = { ...warm, ...wanted, repeatPenalty };
      const { decoded } = await generate(model, { prompt: chat('word'), sampling });
      return decoded[0]!.token === word;
    };
    expect([await first(1), await first(10)]).toEqual([true, false]);
  });

  test('for repetition work together with those for the whole answer', async () => {
    // Beyond 64 tokens only the frequency penalty reduces repetition.
    const long = { temperature: 0, maxTokens: 300, repeatPenalty: 1.5 };
    const held = await tokens(long);
    expect(maxCount(held)).toBeGreaterThan(3);
    expect(maxCount(await tokens({ ...long, frequencyPenalty: 2 }))).toBeLessThan(maxCount(held));
  });
});

describe('logit_bias', () => {
  test('of -100 bans a token, of 100 forces it', async () => {
    const [first = 0, ...rest] = await tokens({ temperature: 0 });
    const banned = await tokens({ temperature: 0, logitBias: [[first, -100]] });
    expect([first, ...rest]).toContain(first);
    expect(banned).not.toContain(first);
    expect(await tokens({ logitBias: [[first, 100]], maxTokens: 3 })).toEqual([
      first,
      first,
      first,
    ]);
  });

  test.each([[-1], [1e9], [1.5]])('is refused for token %d, which does not exist', (token) => {
    const request = { prompt: chat('Hi'), sampling: { ...warm, logitBias: [[token, 1]] as const } };
    expect(() => finish(model.prepare(request))).toThrow(
      expect.objectContaining({ code: 'bad_request', param: 'logit_bias' }),
    );
  });

  test('is refused for the token that ends an answer, because it would be ignored', () => {
    const end = finish(model.tokenize(chat('Hi'))).pieces.indexOf('<|im_end|>');
    const token = finish(model.tokenize(chat('Hi'))).tokens[end]!;
    const request = { prompt: chat('Hi'), sampling: { ...warm, logitBias: [[token, 1]] as const } };
    expect(() => finish(model.prepare(request))).toThrow('ends the answer and cannot be biased');
  });
});

describe('log-probabilities', () => {
  test('are those of the sampled token and of the most likely ones, only on request', async () => {
    const asked = (await answer({ seed: 5, topLogprobs: 4 })).decoded;
    for (const { token, logprob, top } of asked) {
      const mostLikely = top!.map(([, log]) => log);
      expect(mostLikely).toHaveLength(4);
      expect(mostLikely).toEqual(mostLikely.toSorted((a, b) => b - a));
      expect(logprob).toBeLessThanOrEqual(0);
      const own = top!.find(([id]) => id === token)?.[1] ?? logprob!;
      expect(own).toBeCloseTo(logprob!, 5);
    }
    const [chosen] = (await answer({ seed: 5, topLogprobs: 0 })).decoded;
    expect(chosen).toEqual({ token: asked[0]!.token, logprob: asked[0]!.logprob, top: [] });
    expect((await answer({ seed: 5 })).decoded[0]).toEqual({ token: asked[0]!.token });
  });

  test('are those of the model, whatever the sampling, and always as many as asked', async () => {
    const first = async (sampling: Partial<Sampling>) =>
      (await answer({ topLogprobs: 20, maxTokens: 1, ...sampling })).decoded[0]!.top!;
    const own = await first({ temperature: 0 });
    expect(own).toHaveLength(20);
    const [[mostLikely]] = own as [readonly [number, number]];
    for (const sampling of [
      { temperature: 2, seed: 1 },
      { topK: 1 },
      { topP: 0.1, minP: 0.9 },
      { logitBias: [[mostLikely, -100]] as const },
    ]) {
      expect(await first(sampling)).toEqual(own);
    }
  });

  test('of a prompt are those that its tokens had as an answer', async () => {
    const { decoded } = await answer({ seed: 5, topLogprobs: 2, maxTokens: 6, temperature: 2 });
    const prompt = finish(model.tokenize(chat('Say something.'))).tokens;
    const sequence = model.sequences[1]!;
    await sequence.truncate(0);
    await sequence.prefill(prompt.slice(0, -1));
    const tokens = decoded.map(({ token }) => token);
    const evaluated = [prompt.at(-1)!, ...tokens.slice(0, -1)];
    const scored = await sequence.score(evaluated, tokens, 2);
    for (const [index, { logprob, top }] of scored.entries()) {
      expect(logprob).toBeCloseTo(decoded[index]!.logprob!, 4);
      expect(top!.map(([token]) => token)).toEqual(decoded[index]!.top!.map(([token]) => token));
    }
    await sequence.truncate(0);
  });
});

describe('a full context', () => {
  test('is an error instead of a context shift', async () => {
    const endless = {
      ...warm,
      logitBias: [[finish(model.tokenize({ kind: 'text', text: 'a' })).tokens[0]!, 100]] as const,
      maxTokens: 3000,
    };
    await expect(generate(model, { prompt: chat('Hi'), sampling: endless })).rejects.toThrow(
      'The sequence is full',
    );
  });
});
