import { expect, test } from 'vitest';
import { createPrefillBudget, shareOut } from '../../../src/engine/worker/prefill-budget.ts';

/** A machine on which a step costs this much; the budget learns from `steps` of them. */
function settle(options: {
  millisPerToken: number;
  decodeMillis: number;
  fixedMillis?: number;
  decoding?: number;
  steps?: number;
}) {
  const { millisPerToken, decodeMillis, fixedMillis = 0, decoding = 3, steps = 30 } = options;
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * millisPerToken });
  for (let step = 0; step < 5; step++) {
    budget.measure({ decoding, promptTokens: 0, millis: decodeMillis });
  }
  const taken: { promptTokens: number; millis: number }[] = [];
  for (let step = 0; step < steps; step++) {
    const promptTokens = budget.tokens(decoding);
    const millis = decodeMillis + fixedMillis + promptTokens * millisPerToken;
    budget.measure({ decoding, promptTokens, millis });
    taken.push({ promptTokens, millis });
  }
  return { budget, taken };
}

test('begins with the whole batch, less one place for each that decodes', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  expect(budget.tokens(0)).toBe(128);
  expect(budget.tokens(3)).toBe(125);
});

test('on a quick machine nothing is held back', () => {
  const { budget } = settle({ millisPerToken: 1, decodeMillis: 30 });
  expect(budget.tokens(3)).toBe(125);
});

test('on a slow machine no step beside somebody who decodes is expected to take over 320 ms', () => {
  const { taken } = settle({ millisPerToken: 6, decodeMillis: 100 });
  expect(taken.at(-1)!.promptTokens).toBe(36);
  expect(Math.max(...taken.map(({ millis }) => millis))).toBeLessThanOrEqual(320);
});

test('finds its way where mixing has a price of its own', () => {
  const { taken } = settle({ millisPerToken: 1.84, decodeMillis: 75, fixedMillis: 120 });
  expect(taken.at(-1)!.millis).toBeGreaterThan(300);
  expect(taken.at(-1)!.millis).toBeLessThanOrEqual(320);
  expect(Math.max(...taken.map(({ millis }) => millis))).toBeLessThan(430);
});

test('for 8 tokens a step may take 450 ms', () => {
  const tokens = (millisPerToken: number): number =>
    settle({ millisPerToken, decodeMillis: 200 }).budget.tokens(3);
  expect([16, 30, 40].map(tokens)).toEqual([8, 8, 6]);
});

test('a prompt moves by 2 tokens a step however slow the machine is', () => {
  const { budget } = settle({ millisPerToken: 80, decodeMillis: 500 });
  expect(budget.tokens(3)).toBe(2);
});

test('when nobody decodes the whole batch is taken on the slowest machine too', () => {
  const { budget } = settle({ millisPerToken: 80, decodeMillis: 500 });
  expect(budget.tokens(0)).toBe(128);
});

test('a short slice with its fixed cost does not stand for what a long one costs', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 256 });
  budget.measure({ decoding: 0, promptTokens: 3, millis: 40 });
  budget.measure({ decoding: 1, promptTokens: 0, millis: 40 });
  expect(budget.tokens(1)).toBeGreaterThan(100);
});

test('after one disturbed step the slices are soon as long as before', () => {
  const { budget, taken } = settle({ millisPerToken: 4, decodeMillis: 40 });
  budget.measure({ decoding: 3, promptTokens: taken.at(-1)!.promptTokens, millis: 4000 });
  const next = budget.tokens(3);
  expect(next).toBeGreaterThan(taken.at(-1)!.promptTokens / 4);
  budget.measure({ decoding: 3, promptTokens: next, millis: 40 + next * 4 });
  expect(budget.tokens(3)).toBe(taken.at(-1)!.promptTokens);
});

test('a machine that has become four times as slow is believed within a few steps', () => {
  const { budget } = settle({ millisPerToken: 1, decodeMillis: 30 });
  for (let step = 0; step < 6; step++) {
    const promptTokens = budget.tokens(3);
    budget.measure({ decoding: 3, promptTokens, millis: 30 + promptTokens * 4 });
  }
  expect(30 + budget.tokens(3) * 4).toBeLessThan(400);
});

test('stays with whole tiles where they fit, though short slices cost twice as much', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 20 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 4 });
  budget.measure({ decoding: 3, promptTokens: 20, millis: 20 + 20 * 8 });
  expect(budget.tokens(3)).toBe(75);
});

test('where a tile does not fit, short slices are taken for twice as dear until one was measured', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 20 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 5 });
  expect(budget.tokens(3)).toBe(30);
  budget.measure({ decoding: 3, promptTokens: 30, millis: 20 + 30 * 7.5 });
  expect(budget.tokens(3)).toBe(40);
  // The next prompt begins, where a token is cheap again.
  for (let step = 0; step < 8; step++) {
    budget.measure({ decoding: 3, promptTokens: 30, millis: 20 + 30 * 2 });
  }
  expect(budget.tokens(3)).toBeGreaterThanOrEqual(119);
});

test('what a short slice cost earlier in a context says nothing once a tile was measured', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 20 });
  budget.measure({ decoding: 3, promptTokens: 30, millis: 20 + 30 * 2 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 5 });
  expect(budget.tokens(3)).toBe(30);
});

test('the last tokens of a prompt say nothing of what a slice costs', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 10 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 20 });
  expect(budget.tokens(3)).toBe(15);
  budget.measure({ decoding: 3, promptTokens: 2, millis: 21 });
  expect(budget.tokens(3)).toBe(15);
});

test('a few tokens that were all a step could take tell what they cost', () => {
  const { budget, taken } = settle({ millisPerToken: 40, decodeMillis: 200 });
  expect(taken.at(-1)!.promptTokens).toBe(6);
  for (let step = 0; step < 12; step++) {
    const promptTokens = budget.tokens(3);
    budget.measure({ decoding: 3, promptTokens, millis: 200 + promptTokens * 80 });
  }
  expect(budget.tokens(3)).toBe(3);
});

test('a slice that seems to have cost nothing is not believed', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 10 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 200 });
  budget.measure({ decoding: 3, promptTokens: 8, millis: 150 });
  budget.measure({ decoding: 3, promptTokens: 0, millis: 20 });
  expect(budget.tokens(3)).toBeLessThan(45);
});

test('a prompt waits for those who are done in half the time that reading it takes', () => {
  const { budget } = settle({ millisPerToken: 10, decodeMillis: 50 });
  const waits = (promptTokens: number, outputTokens: number, waitedMillis = 0) =>
    budget.isDeferred({ promptTokens, outputTokens, waitedMillis });
  expect([waits(1000, 100), waits(1000, 101)]).toEqual([true, false]);
  expect([waits(1000, 50, 2500), waits(1000, 50, 2501)]).toEqual([true, false]);
  // It has no tile, and is read at the same price beside others.
  expect(waits(64, 1)).toBe(false);
});

test('no prompt waits where whole tiles fit beside those who decode, or nothing was measured', () => {
  const prompt = { promptTokens: 1000, outputTokens: 1, waitedMillis: 0 };
  expect(settle({ millisPerToken: 1, decodeMillis: 30 }).budget.isDeferred(prompt)).toBe(false);
  expect(createPrefillBudget({ batchTokens: 128 }).isDeferred(prompt)).toBe(false);
});

test('the price of a short slice is learned beside those who decode only', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  budget.measure({ decoding: 0, promptTokens: 128, millis: 128 * 31 });
  budget.measure({ decoding: 4, promptTokens: 0, millis: 232 });
  const before = budget.tokens(4);
  budget.measure({ decoding: 0, promptTokens: 64, millis: 64 * 33 });
  expect(budget.tokens(4)).toBe(before);
});

test('tells what reading a prompt takes, once it has seen one read', () => {
  const budget = createPrefillBudget({ batchTokens: 128 });
  expect(budget.readingMillis(100)).toBe(0);
  budget.measure({ decoding: 0, promptTokens: 128, millis: 1280 });
  expect(budget.readingMillis(100)).toBe(1000);
});

test('no rest is left that is shorter than a tile', () => {
  expect(shareOut(128, [129])).toEqual([128]);
  expect(shareOut(128, [130])).toEqual([65]);
  expect(shareOut(128, [192])).toEqual([127]);
  expect(shareOut(128, [193])).toEqual([128]);
  expect(shareOut(40, [129])).toEqual([40]);
});

test('prompts are read one after the other, in order of admission', () => {
  expect(shareOut(128, [100, 100, 100])).toEqual([100, 0, 0]);
  expect(shareOut(128, [1500, 1400, 1500])).toEqual([128, 0, 0]);
  expect(shareOut(128, [0, 200])).toEqual([0, 128]);
  expect(shareOut(128, [])).toEqual([]);
});

test('a step that one prompt does not half fill takes others too', () => {
  expect(shareOut(128, [20, 20, 20, 20, 49])).toEqual([20, 20, 20, 20, 0]);
  expect(shareOut(128, [40, 127, 127])).toEqual([40, 88, 0]);
});

test('nobody whose prompt ends in this step is left out of it', () => {
  expect(shareOut(128, [64, 64])).toEqual([64, 64]);
  expect(shareOut(4, [1, 1, 1, 1])).toEqual([1, 1, 1, 1]);
});

test('a short prompt does not wait for the long ones before it, and the oldest still goes on', () => {
  expect(shareOut(128, [1500, 1400, 20])).toEqual([108, 0, 20]);
  expect(shareOut(128, [1500, 300, 4])).toEqual([64, 60, 4]);
  expect(shareOut(128, [20, 10, 127])).toEqual([20, 10, 98]);
  expect(shareOut(1, [1500, 4])).toEqual([1, 0]);
});
