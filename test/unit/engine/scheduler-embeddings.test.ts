/** Texts that are embedded beside generations, on a model of plain arrays. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Embedder } from '../../../src/engine/worker/loaded-model.ts';
import { createArrayModel } from '../../support/engine/model.ts';
import { prompt, run, stopClock } from '../../support/engine/scheduler.ts';

/** `slices` are the tokens of each evaluation, and the batches of the chat before it. */
function start({ millisPerToken = 1 } = {}) {
  const clock = stopClock();
  const model = createArrayModel({ sequences: 2 });
  const slices: { text: number; tokens: number; after: number }[] = [];
  const embedder: Embedder = {
    prepare: () => unused(),
    async evaluate(tokens, from, to) {
      slices.push({ text: tokens[0]!, tokens: to - from, after: model.batches.length });
      clock.millis += (to - from) * millisPerToken;
      if (tokens[0] === 666) throw new Error('bad text');
      return to === tokens.length ? [tokens[0]!] : undefined;
    },
  };
  return { clock, slices, model, ...run({ ...model, embedder }) };
}

function unused(): never {
  throw new Error('the scheduler gets tokens');
}

const text = (first: number, length: number) => [first, ...prompt(8, length - 1)];

test('a text is embedded in slices of a batch, and texts one after the other', async () => {
  const { scheduler, slices } = start();
  const vectors = [scheduler.embed(1, text(1, 300)), scheduler.embed(2, text(2, 50))];
  expect(await Promise.all(vectors)).toEqual([[1], [2]]);
  expect(slices.map(({ text, tokens }) => [text, tokens])).toEqual([
    [1, 128],
    [1, 128],
    [1, 44],
    [2, 50],
  ]);
});

test('beside a stream every step has one slice, which is as short as the slice of a prompt', async () => {
  const { scheduler, slices, model, clock } = start({ millisPerToken: 10 });
  const step = async (): Promise<void> => {
    await nextTurn();
    for (const [, tokens] of model.batches.at(-1)!) clock.millis += tokens === 1 ? 50 : tokens * 10;
    await model.step();
  };
  scheduler.start(1, model.prepared(prompt(1, 100)));
  for (let count = 0; count < 3; count++) await step();
  const vector = scheduler.embed(2, text(2, 200));
  for (let count = 0; count < 20; count++) await step();
  expect(await vector).toEqual([2]);
  expect(slices.length).toBeGreaterThan(4);
  expect(Math.max(...slices.map(({ tokens }) => tokens))).toBeLessThan(64);
  const steps = slices.map(({ after }) => after);
  expect(steps).toEqual(steps.map((_, at) => steps[0]! + at));
});

test('a prompt and a text take turns', async () => {
  const { scheduler, slices, model } = start();
  scheduler.start(1, model.prepared(prompt(1, 500)));
  const vector = scheduler.embed(2, text(2, 500));
  for (let step = 0; step < 12; step++) await model.step();
  await vector;
  expect(slices.map(({ after }) => after)).toEqual([1, 2, 3, 4]);
});

test('a text that nobody waits for gets no further slice', async () => {
  const { scheduler, slices, model, reach } = start();
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  const vector = scheduler.embed(2, text(2, 2000));
  await model.step();
  const before = slices.length;
  expect(before).toBeGreaterThan(0);
  scheduler.cancel(2);
  await model.step();
  await model.step();
  expect(await vector).toBeUndefined();
  expect(slices.length).toBe(before);
});

test('a text that fails does not stop the next one', async () => {
  const { scheduler } = start();
  const [bad, good] = [scheduler.embed(1, text(666, 10)), scheduler.embed(2, text(2, 10))];
  await expect(bad).rejects.toThrow('bad text');
  expect(await good).toEqual([2]);
});
