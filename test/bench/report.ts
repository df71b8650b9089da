/** Writes README.md and its plots beside the file of results, from that file alone. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { contenderNames, type ContenderName } from './contenders.ts';
import { writeTable } from './markdown-table.ts';
import { drawBars, type Chart } from './plots.ts';
import { judge, measures, ratios, withRange } from './reach.ts';
import type { Results } from './results.ts';
import { median, sum } from './statistics.ts';
import { workloadNames, workloads, type Sample, type WorkloadName } from './workloads.ts';

type Value = (sample: Sample) => number | undefined;

/** @returns where the report is. */
export function writeReport(file: string, results: Results): string {
  const folder = path.dirname(file);
  const charts = drawCharts(results);
  for (const [name, chart] of Object.entries(charts)) {
    writeFileSync(path.join(folder, `${name}.svg`), drawBars(chart));
  }
  const readme = path.join(folder, 'README.md');
  writeFileSync(readme, writeReadme(results, charts, path.basename(file)));
  return readme;
}

export function writeReadme(results: Results, charts: Record<string, Chart>, file: string): string {
  const goals = judge(results).map(({ goal, measured, verdict }) => [
    goal,
    measured,
    verdict === 'missed' ? '**missed**' : verdict,
  ]);
  const sections = [
    '# How fast',
    introduction(results, file),
    '## Reach',
    'Ratios are ours divided by the other, within a round; medians of rounds (lowest–highest). Within 3 % of the goal counts as reached.',
    writeTable(['goal', 'measured', ''], goals),
    ...Object.entries(charts).map(([name, { title }]) => `![${title}](${name}.svg)`),
    '## Absolute numbers',
    'Medians of rounds. `first token`: of first turns, seconds. `next turns`: of later turns of the same conversations. `gaps`: between two tokens of one stream; the longest of all rounds.',
    ...workloadNames.map((name) => workloadSection(results, name)),
    '## Ratios',
    'Ours divided by the other; the last row of a workload has both at equal threads and sequences.',
    ratioTable(results),
    '## Machine, versions, noise',
    machine(results),
    noise(results),
    ...failures(results),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function introduction({ subject, samples, rounds }: Results, file: string): string {
  const done = new Set(samples.map(({ round }) => round)).size;
  const random = /bench-q4_0/.test(subject.model);
  return [
    ...(subject.smoke ? ['**A smoke run: its numbers mean nothing.**\n'] : []),
    ...(random ? ['**The model has random weights and the shape of Qwen2.5-0.5B.**\n'] : []),
    `The chat service, with all telemetry, and llama-server of the same llama.cpp, each started without settings. Model: ${subject.model}. Machine: ${subject.cores} cores, ${subject.cpu}. Rounds: ${done} of ${rounds}.\n`,
    'All requests go to `/v1/chat/completions`, streaming, at temperature 0. Prompts are English text from a seeded generator, and each server applies the chat template of the model. An answer ends after 48 tokens.',
    'Documents are measured in every third round, the newcomer in every second. The version before and equal sizes are measured in the first two, the bare library only with one stream in the first.\n',
    '```sh\nmake bench LLAMA_SERVER=path                        # prints an estimate; a run that was stopped goes on',
    'make bench LLAMA_SERVER=path STOP_AFTER_MINUTES=20  # stops before a part that would take longer',
    'make bench BASELINE=checkout MODEL=file.gguf        # beside another version, with another model',
    'SMOKE=1 make bench                                  # checks that every part works\n```\n',
    `\`node test/bench/serving.ts report\` writes this page from [${file}](${file}).`,
  ].join('\n');
}

function drawCharts({ samples }: Results): Record<string, Chart> {
  const widths: WorkloadName[] = ['different 1', 'different 2', 'different 4', 'different 8'];
  const main: ContenderName[] = ['ours', 'llama-server'];
  const chart = (
    title: string,
    series: ContenderName[],
    names: readonly WorkloadName[],
    value: Value,
  ): Chart => ({
    title,
    series,
    groups: names.map((name) => ({
      label: name,
      bars: series
        .map((contender) => ({
          series: contender,
          values: valuesOf(samples, contender, name, value),
        }))
        .filter(({ values }) => values.length > 0),
    })),
  });
  const others: ContenderName[] = ['ours before', 'bare node-llama-cpp'];
  return {
    speed: chart(
      'tokens/s, more is better',
      [...main, ...others],
      [...widths, 'people, new', 'people, known'],
      measures.speed.value,
    ),
    'first-token': chart(
      'first token p50 in seconds, less is better',
      main,
      [...workloadNames],
      measures.first50.value,
    ),
    gaps: chart(
      'gap between tokens p95 in seconds, less is better',
      main,
      [...widths, 'people, new', 'newcomer'],
      measures.gap95.value,
    ),
  };
}

function valuesOf(
  samples: readonly Sample[],
  contender: ContenderName,
  workload: WorkloadName,
  value: Value,
): number[] {
  return samples
    .filter((sample) => sample.contender === contender && sample.workload === workload)
    .map(value)
    .filter((each): each is number => each !== undefined && each !== null);
}

function workloadSection({ samples }: Results, name: WorkloadName): string {
  const rows = contenderNames.flatMap((contender) => {
    const own = samples.filter(
      (sample) => sample.contender === contender && sample.workload === name,
    );
    if (own.length === 0) return [];
    const middle = (value: Value) => median(own.map(value).filter((each) => each !== undefined));
    const longest = Math.max(...own.map(({ gap }) => gap.longest));
    return [
      [
        contender,
        own.length,
        middle(measures.speed.value).toFixed(1),
        `${seconds(middle(measures.first50.value))} / ${seconds(middle(measures.first95.value))}`,
        own[0]!.laterFirstToken === undefined
          ? ''
          : `${seconds(middle(({ laterFirstToken }) => laterFirstToken?.p50))} / ${seconds(middle(measures.later95.value))}`,
        `${millis(middle(({ gap }) => gap.p50))} / ${millis(middle(measures.gap95.value))} / ${millis(longest)}`,
        [
          ({ inputTokens }: Sample) => inputTokens,
          ({ cachedTokens }: Sample) => cachedTokens,
          ({ outputTokens }: Sample) => outputTokens,
        ]
          .map((value) => middle(value).toFixed(0))
          .join(' / '),
        Object.keys(own[0]!.cpuSeconds)
          .map((role) => `${role} ${middle(({ cpuSeconds }) => cpuSeconds[role]).toFixed(1)}`)
          .join(', '),
        middle(({ foreignCores }) => foreignCores).toFixed(2),
      ],
    ];
  });
  if (rows.length === 0) return '';
  const columns = [
    'contender',
    'rounds',
    'tokens/s',
    'first token p50 / p95',
    'next turns p50 / p95',
    'gaps ms, p50 / p95 / longest',
    'tokens in / cached / out',
    'CPU s',
    'cores of others',
  ];
  return `### ${workloads[name].title}\n\n${writeTable(columns, rows)}`;
}

function ratioTable({ samples }: Results): string {
  const pairs: { against: ContenderName; ours?: ContenderName }[] = [
    { against: 'llama-server' },
    { against: 'ours before' },
    { against: 'bare node-llama-cpp' },
    { ours: 'ours, equal', against: 'llama-server, equal' },
  ];
  const rows = workloadNames.flatMap((workload) =>
    pairs.flatMap((pair) => {
      const cells = Object.values(measures).map((measure) =>
        withRange(ratios(samples, { workload, measure, ...pair })),
      );
      return cells[0] === '' ? [] : [[workload, pair.against, ...cells]];
    }),
  );
  const titles = Object.values(measures).map(({ title }) => title);
  return writeTable(['workload', 'ours against', ...titles], rows);
}

function machine({ subject, versions, descriptions, runs, samples }: Results): string {
  const minutes = sum(samples.map((sample) => sample.seconds)) / 60;
  const commits = [...new Set(runs.map(({ commit }) => commit))];
  const days = [...new Set(runs.map(({ startedAt }) => startedAt.slice(0, 10)))];
  return [
    `- ${subject.cpu}, ${subject.cores} cores, ${subject.memoryGigabytes} GB, ${subject.system}; ${subject.model} (${subject.modelBytes.toLocaleString('en')} bytes)`,
    `- ${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', ')}`,
    ...Object.entries(descriptions).map(([name, text]) => `- ${name}: ${text}`),
    `- Measured ${days.join(', ')} in ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}, ${minutes.toFixed(0)} minutes in all${commits.length > 1 ? `, at several commits: ${commits.join(', ')}` : ''}.`,
  ].join('\n');
}

/** The spread of our own rounds says which differences mean something. */
function noise({ samples }: Results): string {
  const rows = workloadNames.flatMap((name) => {
    const speeds = (['ours', 'llama-server'] as const).map((contender) =>
      valuesOf(samples, contender, name, measures.speed.value),
    );
    if (speeds[0]!.length < 2) return [];
    return [[name, ...speeds.map(spread)]];
  });
  if (rows.length === 0) return '';
  const foreign = samples.map(({ foreignCores }) => foreignCores);
  return [
    'Spread of tokens/s over the rounds, (highest - lowest) / median:',
    writeTable(['workload', 'ours', 'llama-server'], rows),
    `Other programs kept ${median(foreign).toFixed(2)} cores busy (median of all parts; at most ${Math.max(...foreign).toFixed(2)}).`,
  ].join('\n\n');
}

function spread(values: readonly number[]): string {
  if (values.length < 2) return '';
  return `${(((Math.max(...values) - Math.min(...values)) / median(values)) * 100).toFixed(0)} %`;
}

function failures({ failures: failed }: Results): string[] {
  if (failed.length === 0) return [];
  const lines = failed.map(
    ({ contender, workload, round, message }) =>
      `- ${contender}, ${workload}, round ${round + 1}: ${message}`,
  );
  return [['Parts that failed:', ...lines].join('\n')];
}

function seconds(value: number): string {
  return value.toFixed(2);
}

function millis(value: number): string {
  return (value * 1000).toFixed(0);
}
