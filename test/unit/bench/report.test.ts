import { expect, test } from 'vitest';
import { judge, ratios, measures } from '../../bench/reach.ts';
import { median, percentile } from '../../bench/statistics.ts';
import type { Sample } from '../../bench/workloads.ts';

function sample(facts: Partial<Sample>): Sample {
  const flat = (value: number) => ({ p50: value, p95: value, longest: value });
  return {
    contender: 'ours',
    workload: 'different 1',
    round: 0,
    tokensPerSecond: 100,
    firstToken: flat(0.2),
    gap: flat(0.01),
    inputTokens: 98,
    cachedTokens: 0,
    outputTokens: 48,
    cpuSeconds: { server: 10 },
    foreignCores: 0,
    seconds: 4,
    ...facts,
  };
}

/** Ours at `speeds`, llama-server at 100 and 50 tokens a second: the machine was half as fast in the second round. */
function twoRounds(speeds: [number, number]): Sample[] {
  return [100, 50].flatMap((tokensPerSecond, round) => [
    sample({ round, tokensPerSecond: speeds[round]! }),
    sample({ contender: 'llama-server', round, tokensPerSecond }),
  ]);
}

const verdictOf = (samples: Sample[]) => judge({ samples })[0];

test('compares contenders within a round, whatever the speed of the machine', () => {
  expect(verdictOf(twoRounds([110, 60]))).toEqual({
    goal: 'different prompts, 1: tokens/s >= 1 of llama-server',
    measured: '1.15 (1.10–1.20)',
    verdict: 'reached',
  });
});

test('says which goals were missed, and which by less than the noise', () => {
  expect(verdictOf(twoRounds([96, 48]))?.verdict).toBe('missed');
  expect(verdictOf(twoRounds([98, 49]))?.verdict).toBe('reached (within 3 %)');
});

test('leaves out rounds that only one contender has finished', () => {
  const samples = [...twoRounds([110, 60]), sample({ round: 2, tokensPerSecond: 1 })];
  const pair = {
    workload: 'different 1',
    measure: measures.speed,
    against: 'llama-server',
  } as const;
  expect(ratios(samples, pair)).toEqual([1.1, 1.2]);
});

test('does not judge what was not measured', () => {
  const verdicts = judge({ samples: [sample({})] }).map(({ verdict }) => verdict);
  expect(new Set(verdicts)).toEqual(new Set(['not measured']));
});

test('one long stall misses the goal', () => {
  const samples = [0.2, 0.6, 0.2].map((longest, round) =>
    sample({ workload: 'newcomer', round, gap: { p50: 0.1, p95: 0.2, longest } }),
  );
  expect(judge({ samples }).at(-1)).toEqual({
    goal: 'a prompt of 1,500 tokens while three decode: longest gap of all rounds <= 500 ms',
    measured: '600 ms',
    verdict: 'missed',
  });
});

test('a percentile is a measured value, a median may lie between two', () => {
  const values = [4, 1, 3, 2];
  expect([50, 95, 100].map((percent) => percentile(values, percent))).toEqual([2, 4, 4]);
  expect(median(values)).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
});
