import { expect, test } from 'vitest';
import {
  createPrefillBudget,
  isDeferred,
  measureStep,
  prefillMillis,
  splitAmongPrompts,
  stepTokens,
  type PrefillBudget,
} from '../../../src/engine/worker/prefill-budget.ts';

type Step = readonly [decoding: number, promptTokens: number, millis: number];

/** A budget that has measured these steps. */
function after(steps: readonly Step[], budget = createPrefillBudget(128)): PrefillBudget {
  return steps.reduce(
    (measured, [decoding, promptTokens, millis]) =>
      measureStep(measured, { decoding, promptTokens, millis }),
    budget,
  );
}

/** Takes `count` steps on a machine whose steps cost this much next to three decodes. */
function takeSteps(
  budget: PrefillBudget,
  count: number,
  { millisPerToken, decodeMillis, fixedMillis = 0 }: Machine,
) {
  const taken: { promptTokens: number; millis: number }[] = [];
  let measured = budget;
  for (let step = 0; step < count; step++) {
    const promptTokens = stepTokens(measured, 3);
    const millis = decodeMillis + fixedMillis + promptTokens * millisPerToken;
    measured = after([[3, promptTokens, millis]], measured);
    taken.push({ promptTokens, millis });
  }
  return { budget: measured, taken, last: taken.at(-1)! };
}

interface Machine {
  millisPerToken: number;
  decodeMillis: number;
  fixedMillis?: number;
}

/** A budget that has learned the costs of a machine. */
function settle(machine: Machine) {
  const { millisPerToken, decodeMillis } = machine;
  const decodes = Array.from({ length: 5 }, () => [3, 0, decodeMillis] as const);
  return takeSteps(after([[0, 128, 128 * millisPerToken], ...decodes]), 30, machine);
}

test('begins with the whole batch, less one token for each sequence that decodes', () => {
  const budget = createPrefillBudget(128);
  expect([stepTokens(budget, 0), stepTokens(budget, 3)]).toEqual([128, 125]);
});

test('on a fast machine prompts get the whole batch', () => {
  const { budget } = settle({ millisPerToken: 1, decodeMillis: 30 });
  expect(stepTokens(budget, 3)).toBe(125);
});

test('on a slow machine no step next to a decode is expected to take over 320 ms', () => {
  const { taken, last } = settle({ millisPerToken: 6, decodeMillis: 100 });
  expect(last.promptTokens).toBe(36);
  expect(Math.max(...taken.map(({ millis }) => millis))).toBeLessThanOrEqual(320);
});

test('finds the size of a step in which mixing has a fixed cost', () => {
  const { taken, last } = settle({ millisPerToken: 1.84, decodeMillis: 75, fixedMillis: 120 });
  expect(last.millis).toBeGreaterThan(300);
  expect(last.millis).toBeLessThanOrEqual(320);
  expect(Math.max(...taken.map(({ millis }) => millis))).toBeLessThan(430);
});

test('a step of up to 8 tokens may take 450 ms', () => {
  const tokens = (millisPerToken: number): number =>
    stepTokens(settle({ millisPerToken, decodeMillis: 200 }).budget, 3);
  expect([16, 30, 40].map(tokens)).toEqual([8, 8, 6]);
});

test('on a slow machine a step takes 2 prompt tokens, and 2 s of them when nothing decodes', () => {
  const { budget } = settle({ millisPerToken: 80, decodeMillis: 500 });
  expect([stepTokens(budget, 3), stepTokens(budget, 0)]).toEqual([2, 25]);
});

test('a short slice with its fixed cost does not change the cost of a long one', () => {
  const budget = after([
    [0, 128, 256],
    [0, 3, 40],
    [1, 0, 40],
  ]);
  expect(stepTokens(budget, 1)).toBeGreaterThan(100);
});

test('recovers within two steps from one that was disturbed', () => {
  const machine = { millisPerToken: 4, decodeMillis: 40 };
  const { budget, last } = settle(machine);
  const disturbed = after([[3, last.promptTokens, 4000]], budget);
  expect(stepTokens(disturbed, 3)).toBeGreaterThan(last.promptTokens / 4);
  const next = takeSteps(disturbed, 1, machine);
  expect(stepTokens(next.budget, 3)).toBe(last.promptTokens);
});

test('follows a machine that has become four times as slow within six steps', () => {
  const { budget } = settle({ millisPerToken: 1, decodeMillis: 30 });
  const slow = takeSteps(budget, 6, { millisPerToken: 4, decodeMillis: 30 });
  expect(30 + stepTokens(slow.budget, 3) * 4).toBeLessThan(400);
});

test('takes whole tiles where they fit, even if short slices cost twice as much', () => {
  const budget = after([
    [3, 0, 20],
    [0, 128, 128 * 4],
    [3, 20, 20 + 20 * 8],
  ]);
  expect(stepTokens(budget, 3)).toBe(75);
});

test('where a tile does not fit, a short slice is assumed to cost twice as much until one was measured', () => {
  const assumed = after([
    [3, 0, 20],
    [0, 128, 128 * 5],
  ]);
  expect(stepTokens(assumed, 3)).toBe(30);
  const measured = after([[3, 30, 20 + 30 * 7.5]], assumed);
  expect(stepTokens(measured, 3)).toBe(40);
  // The next prompt begins, where a token is cheap again.
  const cheap = Array.from({ length: 8 }, () => [3, 30, 20 + 30 * 2] as const);
  expect(stepTokens(after(cheap, measured), 3)).toBeGreaterThanOrEqual(119);
});

test('forgets the cost of short slices once a tile was measured', () => {
  const budget = after([
    [3, 0, 20],
    [3, 30, 20 + 30 * 2],
    [0, 128, 128 * 5],
  ]);
  expect(stepTokens(budget, 3)).toBe(30);
});

test('the last tokens of a prompt are too few to measure', () => {
  const budget = after([
    [0, 128, 128 * 10],
    [3, 0, 20],
  ]);
  expect(stepTokens(budget, 3)).toBe(15);
  expect(stepTokens(after([[3, 2, 21]], budget), 3)).toBe(15);
});

test('a few tokens are measured where a step takes no more', () => {
  const { budget, last } = settle({ millisPerToken: 40, decodeMillis: 200 });
  expect(last.promptTokens).toBe(6);
  const slow = takeSteps(budget, 12, { millisPerToken: 80, decodeMillis: 200 });
  expect(stepTokens(slow.budget, 3)).toBe(3);
});

test('a slice that seems to have cost nothing counts as half the cost of a tiled one', () => {
  const budget = after([
    [0, 128, 128 * 10],
    [3, 0, 200],
    [3, 8, 150],
    [3, 0, 20],
  ]);
  expect(stepTokens(budget, 3)).toBeLessThan(45);
});

test('defers a prompt for decodes that finish within half of its prefill time', () => {
  const { budget } = settle({ millisPerToken: 10, decodeMillis: 50 });
  const waits = (promptTokens: number, outputTokens: number, waitedMillis = 0) =>
    isDeferred(budget, { promptTokens, outputTokens, waitedMillis });
  expect([waits(1000, 100), waits(1000, 101)]).toEqual([true, false]);
  expect([waits(1000, 50, 2500), waits(1000, 50, 2501)]).toEqual([true, false]);
  // Shorter than a tile: it costs the same next to a decode.
  expect(waits(64, 1)).toBe(false);
});

test('defers no prompt where whole tiles fit next to a decode, or before anything was measured', () => {
  const prompt = { promptTokens: 1000, outputTokens: 1, waitedMillis: 0 };
  const { budget } = settle({ millisPerToken: 1, decodeMillis: 30 });
  expect(isDeferred(budget, prompt)).toBe(false);
  expect(isDeferred(createPrefillBudget(128), prompt)).toBe(false);
});

test('measures short slices only next to a decode', () => {
  const budget = after([
    [0, 128, 128 * 31],
    [4, 0, 232],
  ]);
  expect(after([[0, 64, 64 * 33]], budget)).toEqual(budget);
});

test('estimates the prefill time of a prompt once one was measured', () => {
  expect(prefillMillis(createPrefillBudget(128), 100)).toBe(0);
  expect(prefillMillis(after([[0, 128, 1280]]), 100)).toBe(1000);
});

test.each([
  ['leaves no remainder shorter than a tile', 128, [129], [128]],
  ['leaves no remainder shorter than a tile', 128, [130], [65]],
  ['leaves no remainder shorter than a tile', 128, [192], [127]],
  ['leaves no remainder shorter than a tile', 128, [193], [128]],
  ['leaves no remainder shorter than a tile', 40, [129], [40]],
  ['serves prompts one after the other, oldest first', 128, [100, 100, 100], [100, 0, 0]],
  ['serves prompts one after the other, oldest first', 128, [1500, 1400, 1500], [128, 0, 0]],
  ['serves prompts one after the other, oldest first', 128, [0, 200], [0, 128]],
  ['serves prompts one after the other, oldest first', 128, [], []],
  ['fills a step that is less than half full', 128, [20, 20, 20, 20, 49], [20, 20, 20, 20, 0]],
  ['fills a step that is less than half full', 128, [40, 127, 127], [40, 88, 0]],
  ['includes every prompt that ends in the step', 128, [64, 64], [64, 64]],
  ['includes every prompt that ends in the step', 4, [1, 1, 1, 1], [1, 1, 1, 1]],
  ['gives short prompts at most half of the step', 128, [1500, 1400, 20], [108, 0, 20]],
  ['gives short prompts at most half of the step', 128, [1500, 300, 4], [64, 60, 4]],
  ['gives short prompts at most half of the step', 128, [20, 10, 127], [20, 10, 98]],
  ['gives short prompts at most half of the step', 1, [1500, 4], [1, 0]],
])('%s: %i tokens for %j', (_, tokens, remaining, slices) => {
  expect(splitAmongPrompts(tokens, remaining)).toEqual(slices);
});

test.each([
  [1, 128],
  [15.6, 128],
  [21, 80],
  [42, 65],
  [61, 65],
  [100, 20],
  [270, 7],
  [5000, 2],
])('while nothing decodes and a token takes %d ms, a step has %i tokens', (millis, tokens) => {
  const budget = after([[0, 128, 128 * millis]]);
  expect(stepTokens(budget, 0)).toBe(tokens);
  expect(stepTokens(after([[0, 16, 16 * millis]]), 0)).toBe(tokens);
});

test('slices grow again when a starved machine is free again', () => {
  let budget = after([[0, 128, 128 * 270]]);
  const slices: number[] = [];
  for (let step = 0; step < 12; step++) {
    const promptTokens = stepTokens(budget, 0);
    slices.push(promptTokens);
    budget = after([[0, promptTokens, promptTokens * 10]], budget);
  }
  expect(slices[0]).toBe(7);
  expect(slices.at(-1)).toBe(128);
});
