/** The number of threads under costs that the test makes up, on a clock that only steps move. */
import { expect, test } from 'vitest';
import {
  createThreadGovernor,
  measureThreads,
  threadsOfStep,
} from '../../../src/engine/worker/thread-governor.ts';

type Cost = (threads: number, at: number) => number;

/** Steps of a service that always decodes `decoding` sequences, until `seconds` are over. */
function simulate(maxThreads: number, seconds: number, cost: Cost, decoding = 1) {
  let governor = createThreadGovernor(maxThreads);
  const clock = { millis: 0 };
  const steps: { threads: number; chosen: number; at: number }[] = [];
  while (clock.millis < seconds * 1000) {
    const shape = { decoding, hasPrompt: false };
    const threads = threadsOfStep(governor, shape);
    const millis = cost(threads, clock.millis / 1000);
    steps.push({ threads, chosen: governor.threads, at: clock.millis / 1000 });
    clock.millis += millis;
    governor = measureThreads(governor, { ...shape, threads, millis });
  }
  return { steps, threads: governor.threads };
}

/** Steps a second, against the better of the fixed numbers of threads under the same costs. */
function comparedToFixed(maxThreads: number, seconds: number, cost: Cost): number {
  const fixed = Array.from({ length: maxThreads }, (_, at) => {
    let [millis, steps] = [0, 0];
    for (; millis < seconds * 1000; steps++) millis += cost(at + 1, millis / 1000);
    return steps;
  });
  return simulate(maxThreads, seconds, cost).steps.length / Math.max(...fixed);
}

/** Factors around 1 that repeat for the same seed, up to `spread` off. */
function noise(spread: number, seed = 1) {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return 1 + spread * (2 * (state / 2_147_483_647) - 1);
  };
}

const quiet: Cost = (threads) => 90 / threads ** 0.8;

test.each<[string, number, Cost]>([
  ['a quiet machine', 2, quiet],
  ['a quiet machine with 8 cores', 8, quiet],
  ['one busy process', 2, (threads) => [88, 87][threads - 1]!],
  ['two busy processes', 2, (threads) => [139, 140][threads - 1]!],
  ['less priority than two busy processes', 2, (threads) => [241, 870][threads - 1]!],
  ['a quota of 1.5 cores', 2, (threads) => [90, 66][threads - 1]!],
  ['a quota that two threads use up', 2, (threads) => [90, 120][threads - 1]!],
])('on %s it is at least 0.95 of the better fixed number of threads', (_, cores, cost) => {
  const around = noise(0.1);
  expect(comparedToFixed(cores, 60, cost)).toBeGreaterThan(0.95);
  expect(comparedToFixed(cores, 60, (threads, at) => cost(threads, at) * around())).toBeGreaterThan(
    0.95,
  );
});

test('steps that sometimes take ten times as long count by their mean', () => {
  const around = noise(0.5, 7);
  const cost: Cost = (threads) => (threads === 1 ? 90 : around() > 1.1 ? 510 : 51);
  const { steps } = simulate(2, 300, cost);
  const chosen = steps.filter((step) => step.chosen === 1).length;
  expect(chosen / steps.length).toBeGreaterThan(0.9);
});

test('on a quiet machine all threads stay, and trials lose less than 2 % of the time', () => {
  const { steps } = simulate(2, 120, quiet);
  expect(steps.every(({ chosen }) => chosen === 2)).toBe(true);
  const trials = steps.filter(({ threads }) => threads === 1).length;
  expect(trials).toBeGreaterThan(5);
  expect((trials * (quiet(1, 0) - quiet(2, 0))) / 120_000).toBeLessThan(0.02);
});

test('it follows a load that begins and ends', () => {
  const busy = (at: number) => at > 20 && at < 60;
  const { steps } = simulate(2, 120, (threads, at) =>
    busy(at) ? [120, 360][threads - 1]! : quiet(threads, at),
  );
  const chosenAt = (seconds: number) => steps.findLast(({ at }) => at <= seconds)?.chosen;
  expect([19, 30, 59, 118].map(chosenAt)).toEqual([2, 1, 1, 2]);
});

test('on 8 cores of which 3 are busy it steps down to 5', () => {
  const cost: Cost = (threads) => (threads <= 5 ? quiet(threads, 0) : 2 * quiet(5, 0));
  expect(simulate(8, 60, cost).threads).toBe(5);
});

test('a single slow or fast step changes nothing', () => {
  for (const factor of [0.01, 100]) {
    let step = 0;
    const { steps } = simulate(2, 30, (threads, at) => {
      step += 1;
      return quiet(threads, at) * (step === 50 ? factor : 1);
    });
    expect(steps.every(({ chosen }) => chosen === 2)).toBe(true);
  }
});

test('steps with prompt tokens and steps of other sizes are not compared', () => {
  let governor = createThreadGovernor(2);
  for (let step = 0; step < 100; step++) {
    const shape = { decoding: 1 + (step % 2), hasPrompt: step % 3 === 0 };
    const threads = threadsOfStep(governor, shape);
    expect(threads).toBe(2);
    governor = measureThreads(governor, { ...shape, threads, millis: 50 });
  }
});

test('one core has one thread, and short steps have all', () => {
  expect(simulate(1, 5, () => 50).steps.every(({ threads }) => threads === 1)).toBe(true);
  expect(simulate(4, 2, () => 1).steps.every(({ threads }) => threads === 4)).toBe(true);
});
