/** How tokens are chosen, on a model of random weights, whose answers vary. */
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

/** How often the token that comes most comes. */
function mostOf(list: readonly number[]): number {
  return Math.max(...list.map((token) => list.filter((other) => other === token).length));
}

describe('a seed', () => {
  test('gives the same answer each time, and another one another', async () => {
    const first = await tokens({ seed: 7 });
    expect(await tokens({ seed: 7 })).toEqual(first);
    expect(await tokens({ seed: 8 })).not.toEqual(first);
  });

  test.each([2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, Number.MIN_SAFE_INTEGER])(
    'may be any integer: %i',
    async (seed) => {
      const first = await tokens({ seed });
      expect(await tokens({ seed })).toEqual(first);
      expect(await tokens({ seed: seed - 1 })).not.toEqual(first);
    },
  );

  test('that is not given is a new one for each answer', async () => {
    expect(await tokens({})).not.toEqual(await tokens({}));
  });
});

describe('temperature 0', () => {
  test('takes the likeliest token, whatever else is asked', async () => {
    const first = await tokens({ temperature: 0, seed: 1 });
    expect(await tokens({ temperature: 0, seed: 2, topP: 0.1, topK: 3, minP: 0.5 })).toEqual(first);
    const { decoded } = await answer({ temperature: 0, topLogprobs: 1 });
    expect(decoded.map(({ top }) => top?.[0]?.[0])).toEqual(first);
  });

  test.each([1e-29, 1e-40, Number.MIN_VALUE])('is what %d comes to', async (temperature) => {
    const first = await tokens({ temperature: 0 });
    const { decoded } = await answer({ temperature, topLogprobs: 1 });
    expect(decoded.map(({ token }) => token)).toEqual(first);
    expect(decoded.every(({ top }) => Number.isFinite(top?.[0]?.[1]))).toBe(true);
  });
});

describe('limits of the choice', () => {
  test.each<Partial<Sampling>>([{ topK: 1 }, { topP: 0.0001, topK: 0 }, { minP: 1, topK: 0 }])(
    'leave the likeliest token alone: %j',
    async (limit) => {
      const likeliest = await tokens({ temperature: 0 });
      expect(await tokens({ topP: 1, seed: 3, ...limit })).toEqual(likeliest);
    },
  );

  test('of top_k 0 are none', async () => {
    const { decoded } = await answer({
      topK: 0,
      topP: 1,
      topLogprobs: 20,
      temperature: 2,
      seed: 1,
    });
    const sums = decoded.map(({ top }) => top!.reduce((sum, [, log]) => sum + Math.exp(log), 0));
    // With the library's own top_k of 40 the 20 likeliest would have more than half of it.
    expect(Math.max(...sums)).toBeLessThan(0.5);
  });
});

describe('penalties', () => {
  test('of presence and frequency keep tokens from coming again', async () => {
    const plain = await tokens({ temperature: 0, maxTokens: 60 });
    expect(mostOf(plain)).toBeGreaterThan(2);
    expect(
      mostOf(await tokens({ temperature: 0, maxTokens: 60, frequencyPenalty: 2 })),
    ).toBeLessThan(mostOf(plain));
    expect(await tokens({ temperature: 0, maxTokens: 60, presencePenalty: 2 })).not.toEqual(plain);
  });

  test('are taken off the logit as OpenAI defines it', async () => {
    const [token = 0] = await tokens({ temperature: 0 });
    const both = { presencePenalty: 0.5, frequencyPenalty: 0.25 };
    const bias = [[token, 3]] as const;
    const asked = { temperature: 0, topLogprobs: 20, maxTokens: 3, logitBias: bias };
    const free = (await answer(asked)).decoded;
    const held = (await answer({ ...asked, ...both })).decoded;
    expect(held.map((each) => each.token)).toEqual([token, token, token]);
    // The nth time it has been there n - 1 times before.
    const odds = (decoded: typeof free) => decoded.map(({ top }) => top![0]![1] - top![1]![1]);
    const lost = odds(free).map((odd, index) => odd - odds(held)[index]!);
    [0, 0.75, 1].forEach((expected, index) => expect(lost[index]).toBeCloseTo(expected, 3));
  });

  test('of repetition look back at the prompt', async () => {
    const [word = 0] = finish(model.tokenize({ kind: 'text', text: 'word' })).tokens;
    const wanted = { temperature: 0, maxTokens: 1, logitBias: [[word, 6]] as const };
    const first = async (repeatPenalty: number) => {
      const sampling = { ...warm, ...wanted, repeatPenalty };
      const { decoded } = await generate(model, { prompt: chat('word'), sampling });
      return decoded[0]!.token === word;
    };
    expect([await first(1), await first(10)]).toEqual([true, false]);
  });

  test('of repetition can be had together with those over the whole answer', async () => {
    // Beyond the 64 tokens of the one, only the others keep a token from coming again.
    const long = { temperature: 0, maxTokens: 300, repeatPenalty: 1.5 };
    const held = await tokens(long);
    expect(mostOf(held)).toBeGreaterThan(3);
    expect(mostOf(await tokens({ ...long, frequencyPenalty: 2 }))).toBeLessThan(mostOf(held));
  });
});

describe('logit_bias', () => {
  test('of -100 bans a token, of 100 makes it come', async () => {
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

  test.each([[-1], [1e9], [1.5]])('of token %d is refused: there is none', (token) => {
    const request = { prompt: chat('Hi'), sampling: { ...warm, logitBias: [[token, 1]] as const } };
    expect(() => finish(model.prepare(request))).toThrow(
      expect.objectContaining({ code: 'bad_request', param: 'logit_bias' }),
    );
  });

  test('of the token that ends an answer is refused: it would be ignored', () => {
    const end = finish(model.tokenize(chat('Hi'))).pieces.indexOf('<|im_end|>');
    const token = finish(model.tokenize(chat('Hi'))).tokens[end]!;
    const request = { prompt: chat('Hi'), sampling: { ...warm, logitBias: [[token, 1]] as const } };
    expect(() => finish(model.prepare(request))).toThrow('ends the answer and cannot be biased');
  });
});

describe('log-probabilities', () => {
  test('are of the chosen token and the likeliest beside it, and none are given unasked', async () => {
    const asked = (await answer({ seed: 5, topLogprobs: 4 })).decoded;
    for (const { token, logprob, top } of asked) {
      const likeliest = top!.map(([, log]) => log);
      expect(likeliest).toHaveLength(4);
      expect(likeliest).toEqual(likeliest.toSorted((a, b) => b - a));
      expect(logprob).toBeLessThanOrEqual(0);
      const own = top!.find(([id]) => id === token)?.[1] ?? logprob!;
      expect(own).toBeCloseTo(logprob!, 5);
    }
    const [chosen] = (await answer({ seed: 5, topLogprobs: 0 })).decoded;
    expect(chosen).toEqual({ token: asked[0]!.token, logprob: asked[0]!.logprob, top: [] });
    expect((await answer({ seed: 5 })).decoded[0]).toEqual({ token: asked[0]!.token });
  });
});

describe('a context that is full', () => {
  test('is an error, where the library would forget the beginning', async () => {
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
