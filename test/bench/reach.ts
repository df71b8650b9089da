/** The goals of the benchmark as data, and what was measured of each: ratios within rounds, and their median. */
import type { ContenderName } from './contenders.ts';
import type { Results } from './results.ts';
import { median } from './statistics.ts';
import { workloads, type Sample, type WorkloadName } from './workloads.ts';

export interface Goal {
  goal: string;
  measured: string;
  verdict: 'reached' | 'reached (within 3 %)' | 'missed' | 'not measured';
}

interface Measure {
  title: string;
  value: (sample: Sample) => number | undefined;
}

export const measures = {
  speed: { title: 'tokens/s', value: (sample) => sample.tokensPerSecond },
  first50: { title: 'first token p50', value: (sample) => sample.firstToken.p50 },
  first95: { title: 'first token p95', value: (sample) => sample.firstToken.p95 },
  later95: {
    title: 'second turns, first token p95',
    value: (sample) => sample.laterFirstToken?.p95,
  },
  gap95: { title: 'gap between tokens p95', value: (sample) => sample.gap.p95 },
} as const satisfies Record<string, Measure>;

interface Target {
  workloads: readonly WorkloadName[];
  measure: Measure;
  bound: '>=' | '<=';
  limit: number;
  against: ContenderName;
}

const widths = ['different 1', 'different 2', 'different 4', 'different 8'] as const;
const { speed, first50, first95, later95, gap95 } = measures;
const against = 'llama-server';
const people = ['people, new', 'people, known'] as const;

const targets: readonly Target[] = [
  { workloads: widths, measure: speed, bound: '>=', limit: 1, against },
  { workloads: widths, measure: first50, bound: '<=', limit: 1, against },
  { workloads: widths, measure: first95, bound: '<=', limit: 1, against },
  { workloads: ['people, new'], measure: speed, bound: '>=', limit: 1.7, against },
  { workloads: ['people, new'], measure: first50, bound: '<=', limit: 0.3, against },
  { workloads: ['people, known'], measure: speed, bound: '>=', limit: 2.2, against },
  {
    workloads: ['people, known', 'beside its owner'],
    measure: first50,
    bound: '<=',
    limit: 0.06,
    against,
  },
  {
    workloads: [...people, 'documents 1', 'documents 4'],
    measure: later95,
    bound: '<=',
    limit: 1,
    against,
  },
  { workloads: ['different 4', 'different 8'], measure: gap95, bound: '<=', limit: 1.5, against },
  {
    workloads: ['different 1', 'different 4', 'different 8'],
    measure: speed,
    bound: '>=',
    limit: 1.8,
    against: 'ours before',
  },
];
const longestGapSeconds = 0.5;
/** Two runs of one program differ by this much. */
const tolerance = 0.03;

/** Goals in the order of the table. A goal without a sample is "not measured". */
export function judge({ samples }: Pick<Results, 'samples'>): Goal[] {
  const goals = targets.flatMap(({ workloads: names, measure, bound, limit, against: other }) =>
    names.map((name): Goal => {
      const values = ratios(samples, { workload: name, measure, against: other });
      return {
        goal: `${workloads[name].title}: ${measure.title} ${bound} ${limit} of ${other}`,
        measured: withRange(values),
        verdict: verdictOf(median(values), bound, limit),
      };
    }),
  );
  const gaps = samples
    .filter(({ workload, contender }) => workload === 'newcomer' && contender === 'ours')
    .map(({ gap }) => gap.longest);
  const longest = gaps.length === 0 ? NaN : Math.max(...gaps);
  goals.push({
    goal: `${workloads.newcomer.title}: longest gap of all rounds <= ${longestGapSeconds * 1000} ms`,
    measured: gaps.length === 0 ? '' : `${(longest * 1000).toFixed(0)} ms`,
    verdict: verdictOf(longest, '<=', longestGapSeconds),
  });
  return goals;
}

function verdictOf(value: number, bound: Target['bound'], limit: number): Goal['verdict'] {
  if (Number.isNaN(value)) return 'not measured';
  const short = bound === '>=' ? limit / value : value / limit;
  if (short <= 1) return 'reached';
  return short <= 1 + tolerance ? 'reached (within 3 %)' : 'missed';
}

/** Our value divided by the other contender's, for each round with both. */
export function ratios(
  samples: readonly Sample[],
  pair: { workload: WorkloadName; measure: Measure; against: ContenderName; ours?: ContenderName },
): number[] {
  const find = (contender: ContenderName) =>
    samples.filter((sample) => sample.contender === contender && sample.workload === pair.workload);
  const theirs = new Map(find(pair.against).map((sample) => [sample.round, sample]));
  return find(pair.ours ?? 'ours').flatMap((sample) => {
    const other = theirs.get(sample.round);
    const value = pair.measure.value(sample);
    const divisor = other === undefined ? undefined : pair.measure.value(other);
    return value === undefined || divisor === undefined ? [] : [value / divisor];
  });
}

/** Median and range, such as `1.15 (1.10–1.20)`; empty for no values. */
export function withRange(values: readonly number[]): string {
  if (values.length === 0) return '';
  const digits = median(values) < 0.2 ? 3 : 2;
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) =>
    value.toFixed(digits),
  );
  const middle = median(values).toFixed(digits);
  return values.length === 1 ? middle : `${middle} (${low}–${high})`;
}
