/**
 * Writes the report in Markdown: medians of the rounds, ratios to the other contenders, and the goals. Contenders are compared within
 * a round, because the speed of the machine varies between rounds.
 */
import type { ContenderName } from './contenders.ts';
import { writeTable } from './markdown-table.ts';
import { median, percentile } from './statistics.ts';
import type { Sample, Stall } from './workloads.ts';

export interface Measured {
  /** In the order of the table. */
  contenders: readonly ContenderName[];
  samples: readonly Sample[];
  stalls: readonly Stall[];
}

export interface Goal {
  goal: string;
  measured: string;
  holds: boolean;
}

const others = ['llama-server', 'one loop each'] as const satisfies ContenderName[];
const leastSpeed = 0.95;
/** For these numbers of streams, the goal is the full speed of llama-server. */
const fullSpeedWidths: ReadonlySet<number> = new Set([1, 8]);
const longestStallSeconds = 0.5;
const longestEventLoopDelaySeconds = 0.01;

export function writeReport(measured: Measured): string {
  const titles = {
    short: 'Short prompts, all at once',
    long: 'Long prompts, all at once',
    'second turn': 'Second turns of the long conversations, all at once',
  } as const satisfies Record<Sample['workload'], string>;
  const sections = Object.entries(titles).map(([workload, title]) =>
    workloadSection(measured, workload as Sample['workload'], title),
  );
  return [...sections, stallSection(measured), goalSection(judge(measured))]
    .filter((section) => section !== '')
    .join('\n\n');
}

function workloadSection(measured: Measured, workload: Sample['workload'], title: string): string {
  const ofWorkload = measured.samples.filter((sample) => sample.workload === workload);
  if (ofWorkload.length === 0) return '';
  const rows = cells(ofWorkload, measured.contenders).map(({ width, contender, samples }) => {
    const firstTokens = samples.flatMap((sample) => sample.firstTokenSeconds);
    const gaps = samples.flatMap((sample) => sample.gapSeconds);
    return [
      width,
      contender,
      median(samples.map((sample) => sample.tokensPerSecond)).toFixed(1),
      `${seconds(percentile(firstTokens, 50))} / ${seconds(percentile(firstTokens, 95))}`,
      `${millis(percentile(gaps, 50))} / ${millis(percentile(gaps, 95))}`,
      `${Math.round(median(samples.map((sample) => sample.inputTokens)))} / ${Math.round(median(samples.map((sample) => sample.cachedTokens)))}`,
      cpu(samples),
      Math.max(...samples.map((sample) => sample.foreignCores)).toFixed(2),
    ];
  });
  const comparison = ratioRows(measured, ofWorkload);
  return [
    `## ${title}`,
    writeTable(
      [
        'streams',
        'contender',
        'output tokens/s',
        'first token s, p50 / p95',
        'gap ms, p50 / p95',
        'input tokens / cached',
        'CPU s per 1,000 tokens',
        'cores of other programs',
      ],
      rows,
    ),
    ...(comparison.length === 0
      ? []
      : [writeTable(['streams', 'ours against', 'tokens/s', 'first token p95'], comparison)]),
  ].join('\n\n');
}

function ratioRows(measured: Measured, samples: readonly Sample[]): (string | number)[][] {
  return widthsOf(samples).flatMap((width) =>
    others
      .filter((other) => measured.contenders.includes(other))
      .map((other) => [
        width,
        other,
        withRange(ratios(samples, width, other, (sample) => sample.tokensPerSecond)),
        withRange(ratios(samples, width, other, firstTokenP95)),
      ]),
  );
}

function stallSection({ contenders, stalls }: Measured): string {
  if (stalls.length === 0) return '';
  const rows = contenders.map((contender) => {
    const own = stalls.filter((stall) => stall.contender === contender);
    const gaps = own.map((stall) => stall.longestGapSeconds);
    const newcomers = own.map((stall) => stall.newcomerFirstTokenSeconds);
    return [
      contender,
      millis(median(gaps)),
      millis(Math.max(...gaps)),
      seconds(median(newcomers)),
      Math.max(...own.map((stall) => stall.foreignCores)).toFixed(2),
    ];
  });
  const columns = [
    'contender',
    'longest gap ms, median',
    'worst',
    "new request's first token s",
    'cores of other programs',
  ];
  return `## A new request with a long prompt while three decode\n\n${writeTable(columns, rows)}`;
}

function goalSection(goals: readonly Goal[]): string {
  const rows = goals.map(({ goal, measured, holds }) => [goal, measured, holds ? 'met' : 'missed']);
  return `## Goals\n\n${writeTable(['goal', 'measured', ''], rows)}`;
}

/** Goals are judged by the median of the rounds. Goals about a contender that did not run are left out. */
export function judge({ samples, stalls }: Measured): Goal[] {
  const goals: Goal[] = [];
  for (const workload of ['short', 'long', 'second turn'] as const) {
    const own = samples.filter((sample) => sample.workload === workload);
    for (const width of widthsOf(own)) {
      const at = `${workload}, ${countOf(width)}`;
      const speeds = ratios(own, width, 'llama-server', (sample) => sample.tokensPerSecond);
      const firstTokens = ratios(own, width, 'llama-server', firstTokenP95);
      if (speeds.length === 0) continue;
      const least = fullSpeedWidths.has(width) ? 1 : leastSpeed;
      goals.push({
        goal: `${at}: tokens/s >= ${least.toFixed(2)} of llama-server`,
        measured: withRange(speeds),
        holds: median(speeds) >= least,
      });
      goals.push({
        goal: `${at}: first token p95 <= llama-server's`,
        measured: withRange(firstTokens),
        holds: median(firstTokens) <= 1,
      });
    }
  }
  const gaps = stalls
    .filter((stall) => stall.contender === 'ours')
    .map((stall) => stall.longestGapSeconds);
  if (gaps.length > 0) {
    goals.push({
      goal: `a new long prompt delays no stream by over ${longestStallSeconds * 1000} ms`,
      measured: `${millis(Math.max(...gaps))} ms`,
      holds: Math.max(...gaps) <= longestStallSeconds,
    });
  }
  const short = samples.filter(
    ({ contender, workload }) => contender === 'ours' && workload === 'short',
  );
  const widest = widthsOf(short).at(-1);
  const delays = short
    .filter((sample) => sample.width === widest)
    .map((sample) => sample.eventLoopDelaySeconds ?? NaN);
  if (delays.length > 0) {
    goals.push({
      goal: `event-loop delay p99 of the API process < ${longestEventLoopDelaySeconds * 1000} ms at ${countOf(widest ?? 0)}`,
      measured: `${millis(median(delays))} ms`,
      holds: median(delays) < longestEventLoopDelaySeconds,
    });
  }
  return goals;
}

function countOf(width: number): string {
  return `${width} ${width === 1 ? 'stream' : 'streams'}`;
}

function firstTokenP95(sample: Sample): number {
  return percentile(sample.firstTokenSeconds, 95);
}

/** Our value divided by the other contender's, for each round with both. */
function ratios(
  samples: readonly Sample[],
  width: number,
  other: ContenderName,
  value: (sample: Sample) => number,
): number[] {
  const ofWidth = samples.filter((sample) => sample.width === width);
  const theirs = new Map(
    ofWidth.filter(({ contender }) => contender === other).map((sample) => [sample.round, sample]),
  );
  return ofWidth
    .filter(({ contender, round }) => contender === 'ours' && theirs.has(round))
    .map((sample) => value(sample) / value(theirs.get(sample.round)!));
}

function widthsOf(samples: readonly Sample[]): number[] {
  return [...new Set(samples.map((sample) => sample.width))].toSorted((a, b) => a - b);
}

function cells(samples: readonly Sample[], contenders: readonly ContenderName[]) {
  return widthsOf(samples).flatMap((width) =>
    contenders.map((contender) => ({
      width,
      contender,
      samples: samples.filter((sample) => sample.width === width && sample.contender === contender),
    })),
  );
}

function cpu(samples: readonly Sample[]): string {
  return Object.keys(samples[0]?.cpuSeconds ?? {})
    .map((role) => {
      const spent = median(samples.map((sample) => sample.cpuSeconds[role] ?? NaN));
      return `${role} ${spent.toFixed(1)}`;
    })
    .join(', ');
}

function withRange(values: readonly number[]): string {
  const range = `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;
  return `${median(values).toFixed(2)} (${range})`;
}

function seconds(value: number): string {
  if (value === Infinity) return 'never';
  return value.toFixed(2);
}

function millis(value: number): string {
  return (value * 1000).toFixed(value < 0.02 ? 1 : 0);
}
