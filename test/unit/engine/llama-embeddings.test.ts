/** Embeddings of a small model with random weights. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cosine, embed, finish, loadNoise } from '../../support/engine/llama-model.ts';

let model: Awaited<ReturnType<typeof loadNoise>>;
beforeAll(async () => {
  model = await loadNoise({ embeddings: true });
});
afterAll(() => model.dispose());

test('a vector does not depend on the slices in which the text is evaluated', async () => {
  const text = 'The sea is calm tonight, and the tide is full. '.repeat(10);
  const whole = await embed(model, text);
  expect(whole).toHaveLength(model.facts.embeddingDimensions!);
  expect(cosine(whole, whole)).toBeCloseTo(1, 5);
  expect(cosine(whole, await embed(model, text, 7))).toBeGreaterThan(0.999);
  expect(cosine(whole, await embed(model, `${text}Listen!`))).toBeLessThan(0.999);
});

test('a text that was left behind in the middle does not change the next one', async () => {
  const next = await embed(model, 'Ah, love, let us be true');
  const tokens = finish(model.embedder!.prepare('word '.repeat(300)));
  await model.embedder!.evaluate(tokens, 0, 100);
  expect(cosine(next, await embed(model, 'Ah, love, let us be true'))).toBeGreaterThan(0.9999);
});

test.each(['a', ' ', '.', '字'])(
  'a megabyte of "%s" is refused after a few slices, just above the context',
  (character) => {
    const slices = model.embedder!.prepare(character.repeat(1e6));
    let count = 0;
    const run = () => {
      while (slices.next().done !== true) count += 1;
    };
    expect(run).toThrow(
      expect.objectContaining({
        code: 'context_overflow',
        message: expect.stringContaining('takes at most 2047 tokens'),
      }),
    );
    expect(count).toBeLessThan(20);
  },
);

test('an empty text is refused', () => {
  expect(() => finish(model.embedder!.prepare(''))).toThrow(
    expect.objectContaining({ code: 'bad_request' }),
  );
});
