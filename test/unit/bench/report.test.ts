import { expect, test } from 'vitest';
import { judge, writeReport, type Measured } from '../../bench/report.ts';
import { median, percentile } from '../../bench/statistics.ts';
import type { Sample } from '../../bench/workloads.ts';

function sample(facts: Partial<Sample>): Sample {
  return {
    contender: 'ours',
    workload: 'short',
    round: 0,
    width: 1,
    tokensPerSecond: 100,
    firstTokenSeconds: [0.2],
    gapSeconds: [0.01],
    inputTokens: 128,
    cachedTokens: 0,
    cpuSeconds: { server: 10 },
    foreignCores: 0,
    ...facts,
  };
}

/** Ours at `speeds`, llama-server at 100 and 50 tokens a second: the machine was half as fast in the second round. */
function twoRounds(speeds: [number, number]): Measured {
  return {
    contenders: ['ours', 'llama-server'],
    samples: [100, 50].flatMap((tokensPerSecond, round) => [
      sample({ round, tokensPerSecond: speeds[round]! }),
      sample({ contender: 'llama-server', round, tokensPerSecond }),
    ]),
    stalls: [],
  };
}

test('compares contenders within a round, whatever the speed of the machine', () => {
  const [speed] = judge(twoRounds([110, 60]));
  expect(speed).toEqual({
    goal: 'short, 1 stream: tokens/s >= 1.00 of llama-server',
    measured: '1.15 (1.10–1.20)',
    holds: true,
  });
});

test('marks a goal that was missed', () => {
  const report = writeReport(twoRounds([90, 45]));
  expect(report).toContain(
    '| short, 1 stream: tokens/s >= 1.00 of llama-server | 0.90 (0.90–0.90) | missed |',
  );
});

test('leaves out the goals about a llama-server that did not run', () => {
  const alone = { contenders: ['ours'], samples: [sample({})], stalls: [] } as const;
  expect(judge(alone).map(({ goal }) => goal)).toEqual([
    'event-loop delay p99 of the API process < 10 ms at 1 stream',
  ]);
});

test('one long stall misses the goal', () => {
  const stalls = [0.2, 0.6, 0.2].map((longestGapSeconds, round) => ({
    contender: 'ours' as const,
    round,
    longestGapSeconds,
    newcomerFirstTokenSeconds: 4,
    foreignCores: 0,
  }));
  expect(judge({ contenders: ['ours'], samples: [], stalls })).toEqual([
    { goal: 'a new long prompt delays no stream by over 500 ms', measured: '600 ms', holds: false },
  ]);
});

test('a percentile is a measured value, a median may lie between two', () => {
  const values = [4, 1, 3, 2];
  expect([50, 95, 100].map((percent) => percentile(values, percent))).toEqual([2, 4, 4]);
  expect(median(values)).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
});
