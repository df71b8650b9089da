/** Plans of single steps from plain numbers. How they follow one another is in scheduler-prompts.test.ts. */
import { describe, expect, test } from 'vitest';
import { heldBackTokens } from '../../../src/engine/worker/held-tails.ts';
import { planStep, type PlannedJob } from '../../../src/engine/worker/plan-step.ts';
import { createPrefillBudget, measureStep } from '../../../src/engine/worker/prefill-budget.ts';

const unmeasured = createPrefillBudget(128);
/** A prompt token costs 10 ms, a step of decodes 50. */
const slow = [
  { decoding: 0, promptTokens: 128, millis: 1280 },
  { decoding: 1, promptTokens: 0, millis: 50 },
].reduce(measureStep, unmeasured);

function prefilling(
  sequenceId: number,
  promptTokens: number,
  rest: Partial<PlannedJob> = {},
): PlannedJob {
  return {
    sequenceId,
    promptTokens,
    evaluatedTokens: 0,
    cachedTokens: 0,
    admittedAtStep: 1,
    isDecoding: false,
    maxTokens: 100,
    outputTokens: 0,
    deferredMillis: 0,
    sharedTokens: undefined,
    ...rest,
  };
}

function decoding(sequenceId: number, outputTokens: number) {
  return prefilling(sequenceId, 10, { evaluatedTokens: 10, isDecoding: true, outputTokens });
}

const slices = (plan: ReturnType<typeof planStep>) =>
  plan.work.map(({ job, slice }) => [job.sequenceId, slice]);

describe('planStep', () => {
  test('is one token of each sequence that decodes and a slice of a prompt, in ascending sequence ids', () => {
    const plan = planStep([decoding(2, 1), prefilling(1, 500), decoding(0, 9)], unmeasured);
    expect(slices(plan)).toEqual([
      [0, 0],
      [1, 126],
      [2, 0],
    ]);
    expect(plan).toMatchObject({ decoding: 2, promptTokens: 126, deferred: undefined });
  });

  test('defers a long prompt behind a decode that ends soon, and names the first one', () => {
    const first = prefilling(1, 1000);
    const plan = planStep([decoding(0, 80), first, prefilling(2, 1200)], slow);
    expect(slices(plan)).toEqual([[0, 0]]);
    expect(plan.deferred).toBe(first);
  });

  test('the longest of the decodes decides, and the time waited so far counts', () => {
    const prompt = prefilling(2, 1000);
    const isDeferred = (...jobs: PlannedJob[]) => planStep(jobs, slow).deferred !== undefined;
    expect(isDeferred(decoding(0, 90), decoding(1, 1), prompt)).toBe(true);
    expect(isDeferred(decoding(0, 0), decoding(1, 90), prompt)).toBe(true);
    expect(isDeferred(decoding(0, 90), { ...prompt, deferredMillis: 4900 })).toBe(false);
  });

  test('is empty without jobs', () => {
    expect(planStep([], slow)).toMatchObject({ work: [], decoding: 0, promptTokens: 0 });
  });
});

describe('heldBackTokens', () => {
  const together = [prefilling(0, 100), prefilling(1, 100), prefilling(2, 100)];

  test('is the part of a prompt beyond whole multiples of 16, for prompts admitted together', () => {
    expect(heldBackTokens(together)).toEqual([4, 4, 4]);
  });

  test('is 0 for all once every prompt has only its tail left', () => {
    const ready = [0, 1, 2].map((id) => prefilling(id, 100, { evaluatedTokens: 96 }));
    expect(heldBackTokens(ready)).toEqual([0, 0, 0]);
  });

  test('of two prompts is the part beyond a tile, so that each fills half of a step', () => {
    expect(heldBackTokens([prefilling(0, 128), prefilling(1, 100)])).toEqual([64, 36]);
  });

  test('of a long prompt is the last token', () => {
    expect(heldBackTokens([prefilling(0, 257), prefilling(1, 257)])).toEqual([1, 1]);
  });

  test('is 0 for a single prompt', () => {
    expect(heldBackTokens([prefilling(0, 100)])).toEqual([0]);
  });

  test('a prompt does not wait for one that was admitted later, is much longer, or has over 1,024 tokens left', () => {
    const first = prefilling(0, 700);
    expect(heldBackTokens([first, prefilling(1, 700, { admittedAtStep: 3 })])[0]).toBe(0);
    expect(heldBackTokens([first, prefilling(1, 1500)])[0]).toBe(0);
    expect(heldBackTokens([first, prefilling(1, 1100)])[0]).toBe(0);
    expect(heldBackTokens([first, prefilling(1, 1000)])[0]).toBe(1);
  });
});
