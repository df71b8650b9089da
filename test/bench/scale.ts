/**
 * `make scale`: what a fleet of chat services costs one Prometheus, and how many replicas a number of users needs. Writes
 * test/bench/scale.json and scale.md. Variables: TARGETS (1,10,50,200), SECONDS (60 for each). With `page` it writes only the page.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { readCpuTime, secondsByRole } from './cpu-time.ts';
import {
  openMetrics,
  recordExposition,
  serveTargets,
  startPrometheus,
  type Targets,
} from './fleet.ts';
import { writeTable } from './markdown-table.ts';
import type { Results } from './results.ts';
import { median } from './statistics.ts';

interface FleetCost {
  targets: number;
  /** Of the head block: those of the targets, and those of the rules. */
  series: number;
  samplesPerSecond: number;
  /** Cores that Prometheus keeps busy. */
  cores: number;
  residentBytes: number;
  /** Median over the targets. */
  scrapeSeconds: number;
  /** One evaluation of all rules. */
  ruleSeconds: number;
}

interface Scale {
  machine: string;
  /** Of the recorded exposition. */
  expositionBytes: number;
  scrapeCpuSeconds: number;
  spansPerAnswer: number;
  disk: { bytesPerSample: number; indexBytesPerSeries: number };
  fleet: FleetCost[];
}

const folder = import.meta.dirname;
const file = `${folder}/scale.json`;
/** As `make up` sets it. */
const intervalSeconds = 15;
/** Time for the first scrapes and for the first evaluation of every rule. */
const settleSeconds = 40;

async function measureScale(counts: readonly number[], seconds: number): Promise<Scale> {
  const { text, scrapeCpuSeconds, spans } = await recordExposition(200);
  const targets = await serveTargets(text);
  const fleet: FleetCost[] = [];
  for (const count of counts) fleet.push(await measureFleet(targets, count, seconds));
  const disk = await measureDisk(targets);
  targets.stop();
  const machine = `${cpus().length} cores, ${cpus()[0]?.model}`;
  return {
    machine,
    expositionBytes: text.length,
    scrapeCpuSeconds,
    spansPerAnswer: spans,
    disk,
    fleet,
  };
}

async function measureFleet(targets: Targets, count: number, seconds: number): Promise<FleetCost> {
  const prometheus = await startPrometheus(targets, count, intervalSeconds);
  await sleep(settleSeconds);
  const read = () => readCpuTime({ prometheus: prometheus.pid });
  const own = await ownSeries(prometheus.url);
  const before = { cpu: read(), samples: own('prometheus_tsdb_head_samples_appended_total') };
  await sleep(seconds);
  const now = await ownSeries(prometheus.url);
  const cpu = read();
  const elapsed = cpu.at - before.cpu.at;
  const cost: FleetCost = {
    targets: count,
    series: now('prometheus_tsdb_head_series'),
    samplesPerSecond:
      (now('prometheus_tsdb_head_samples_appended_total') - before.samples) / elapsed,
    cores: (secondsByRole(before.cpu, cpu)['prometheus'] ?? Number.NaN) / elapsed,
    residentBytes: now('process_resident_memory_bytes'),
    scrapeSeconds: await prometheus.ask('quantile(0.5, scrape_duration_seconds)'),
    ruleSeconds: now('prometheus_rule_group_last_duration_seconds'),
  };
  await prometheus.stop();
  process.stdout.write(`${JSON.stringify(cost)}\n`);
  return cost;
}

/** Reads Prometheus's own exposition; a series with labels is summed over them. */
async function ownSeries(url: string): Promise<(name: string) => number> {
  const lines = (
    await (await fetch(`${url}/metrics`, { headers: { accept: openMetrics } })).text()
  ).split('\n');
  return (name) =>
    lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Chunks of 120 samples, as Prometheus fills them, need two minutes at a scrape a second. */
async function measureDisk(targets: Targets): Promise<Scale['disk']> {
  const prometheus = await startPrometheus(targets, 5, 1);
  await sleep(150);
  const { chunkBytes, indexBytes, samples, series } = await prometheus.snapshot();
  await prometheus.stop();
  return { bytesPerSample: chunkBytes / samples, indexBytesPerSeries: indexBytes / series };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

interface Line {
  at(targets: number): number;
}

/** Least squares over all but the largest fleet, which checks it. */
function fit(fleet: readonly FleetCost[], measure: (cost: FleetCost) => number): Line {
  const known = fleet.slice(0, -1);
  const meanX = known.reduce((sum, { targets }) => sum + targets, 0) / known.length;
  const meanY = known.reduce((sum, cost) => sum + measure(cost), 0) / known.length;
  const slope =
    known.reduce((sum, cost) => sum + (cost.targets - meanX) * (measure(cost) - meanY), 0) /
    known.reduce((sum, { targets }) => sum + (targets - meanX) ** 2, 0);
  return { at: (targets) => meanY + slope * (targets - meanX) };
}

function writePage(scale: Scale): string {
  return `${[
    '# Numbers to plan by: what does a fleet cost?',
    `\`make scale\` measures and writes this page. A real Prometheus scrapes simulated targets, which replay ${(scale.expositionBytes / 1000).toFixed(0)} kB of metrics of a service that has answered, refused and failed; all rules of \`make up\` are loaded. Machine: ${scale.machine}.`,
    ...writeFleet(scale),
    ...writeSpans(scale),
    ...writeReplicas(),
  ].join('\n\n')}\n`;
}

const columns: readonly (readonly [
  string,
  (cost: FleetCost) => number,
  (value: number) => string,
])[] = [
  ['series', ({ series }) => series, (value) => value.toFixed(0)],
  ['samples/s', ({ samplesPerSecond }) => samplesPerSecond, (value) => value.toFixed(0)],
  ['Prometheus, cores', ({ cores }) => cores, (value) => value.toFixed(4)],
  ['Prometheus, MB', ({ residentBytes }) => residentBytes / 1e6, (value) => value.toFixed(0)],
  ['one scrape, ms', ({ scrapeSeconds }) => scrapeSeconds * 1000, (value) => value.toFixed(1)],
  ['all rules once, ms', ({ ruleSeconds }) => ruleSeconds * 1000, (value) => value.toFixed(0)],
];

function writeFleet(scale: Scale): string[] {
  const { fleet, disk, scrapeCpuSeconds } = scale;
  const largest = fleet.at(-1)!;
  const rows = fleet.map((cost) => [
    cost.targets,
    ...columns.map(([, measure, write]) => write(measure(cost))),
  ]);
  const formula = columns.slice(0, 4).map(([name, measure, write]) => {
    const line = fit(fleet, measure);
    const predicted = line.at(largest.targets);
    const error = (predicted / measure(largest) - 1) * 100;
    return [name, write(line.at(0)), write(line.at(1) - line.at(0)), `${error.toFixed(0)} %`];
  });
  const perReplica = fit(fleet, ({ series }) => series);
  const series = perReplica.at(1) - perReplica.at(0);
  const samplesADay = (series * 86_400) / intervalSeconds;
  const bytesADay = samplesADay * disk.bytesPerSample + series * disk.indexBytesPerSeries * 12;
  return [
    '## Metrics',
    `Scrapes and evaluations every ${intervalSeconds} s.`,
    writeTable(['replicas', ...columns.map(([name]) => name)], rows),
    `As a formula, fitted to the smaller fleets, with its error at ${largest.targets} replicas:`,
    writeTable(['measure', 'fixed', 'for each replica', `error at ${largest.targets}`], formula),
    `A scrape costs a replica ${(scrapeCpuSeconds * 1000).toFixed(1)} ms of CPU.`,
    `A sample takes ${disk.bytesPerSample.toFixed(2)} bytes in a block, and a series ${disk.indexBytesPerSeries.toFixed(0)} bytes of its index (12 blocks a day before they are merged). That is the worst case: here every counter changes at every scrape, and most of an idle service do not. A replica at a scrape every ${intervalSeconds} s: ${(bytesADay / 1e6).toFixed(0)} MB a day at most.`,
  ];
}

function writeSpans({ spansPerAnswer }: Scale): string[] {
  const requests = 10_000;
  const spans = requests * spansPerAnswer;
  return [
    '## Traces',
    `A completed answer has ${spansPerAnswer} spans, so ${requests.toLocaleString('en')} answers a day are ${spans.toLocaleString('en')} spans. Tail sampling of 5 % keeps ${(spans / 20).toLocaleString('en')} of them, and all of requests that failed, were refused or were slow.`,
  ];
}

/** From the results of serving.ts: an answer of 48 tokens to a prompt of about 100. */
function writeReplicas(): string[] {
  const { samples, subject } = JSON.parse(
    readFileSync(`${folder}/results.json`, 'utf8'),
  ) as Results;
  const speeds = ['different 1', 'different 2', 'different 4', 'different 8'].map((workload) => {
    const ours = samples.filter(
      (sample) => sample.contender === 'ours' && sample.workload === workload,
    );
    const of = (measure: (sample: (typeof ours)[number]) => number): number =>
      median(ours.map(measure));
    const perSecond = of(({ tokensPerSecond, outputTokens }) => tokensPerSecond / outputTokens);
    return { chats: workload.slice(10), perSecond, first: of(({ firstToken }) => firstToken.p95) };
  });
  const { perSecond } = speeds.at(-2)!;
  const busy = 0.6;
  const countReplicas = (questions: number) => Math.ceil(questions / 3600 / (perSecond * busy));
  const asked = [10, 50, 200, 1000].map((users) =>
    [1, 5, 20, 60].map((questions, at) => (at === 0 ? users : countReplicas(users * questions))),
  );
  return [
    '## Replicas',
    `One replica on ${subject.cores} cores (${subject.cpu}) with ${subject.model}, prompts of about 100 tokens, answers of 48:`,
    writeTable(
      ['chats at once', 'answers a minute', 'answers a day and core', 'first token p95, s'],
      speeds.map(({ chats, perSecond: rate, first }) => [
        chats,
        (rate * 60).toFixed(0),
        ((rate * 86_400) / subject.cores).toFixed(0),
        first.toFixed(1),
      ]),
    ),
    `Replicas for users in the busiest hour, at ${busy * 100} % of the speed of four chats at once. Longer answers need more in proportion.`,
    writeTable(['users', '5 questions an hour', '20', '60'], asked),
  ];
}

if (process.argv[2] !== 'page') {
  const counts = (process.env['TARGETS'] ?? '1,10,50,200').split(',').map(Number);
  const scale = await measureScale(counts, Number(process.env['SECONDS'] ?? 60));
  writeFileSync(file, `${JSON.stringify(scale, undefined, 2)}\n`);
}
writeFileSync(`${folder}/scale.md`, writePage(JSON.parse(readFileSync(file, 'utf8')) as Scale));
