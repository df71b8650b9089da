/** Compares a scrape with prom-client's for the same series: how long it takes, and how long it blocks the event loop. */
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Counter, Histogram, Registry } from 'prom-client';
import { createExemplars } from '../../otel/prometheus/exemplars.ts';
import { OpenMetricsExporter } from '../../otel/prometheus/exporter.ts';
import { createCeiling } from '../../otel/metrics/series.ts';
import { median, percentile } from './statistics.ts';

export interface ScrapeCost {
  series: number;
  ours: Timing;
  promClient: Timing;
}

interface Timing {
  p50Millis: number;
  /** The longest block of the event loop in each scrape. */
  stallP50Millis: number;
  stallP95Millis: number;
  stallMaxMillis: number;
  bytes: number;
}

/** A histogram has a sample for each of these bounds, for +Inf, sum and count. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const samplesPerHistogram = buckets.length + 3;
/** Below the SDK's limit of 2,000 attribute sets per instrument. */
const setsPerInstrument = 200;

/** 40 % of the series are counters', the rest histograms'. Both sides get the same values and take turns. */
export async function measureScrapes(series: number, rounds: number): Promise<ScrapeCost> {
  const counters = Math.round(series * 0.4);
  const histograms = Math.round((series * 0.6) / samplesPerHistogram);
  const ours = createOurs(counters, histograms);
  const theirs = createTheirs(counters, histograms);
  const times = { ours: [] as Scrape[], theirs: [] as Scrape[] };
  for (let round = 0; round < rounds + 5; round += 1) {
    const pair =
      round % 2 === 0
        ? { ours: await time(ours), theirs: await time(theirs) }
        : { theirs: await time(theirs), ours: await time(ours) };
    // The first rounds warm up.
    if (round < 5) continue;
    times.ours.push(pair.ours);
    times.theirs.push(pair.theirs);
  }
  return { series, ours: summarise(times.ours), promClient: summarise(times.theirs) };
}

function createOurs(counters: number, histograms: number): () => Promise<string> {
  const exporter = new OpenMetricsExporter({
    exemplars: createExemplars(),
    admit: createCeiling({ limit: Number.POSITIVE_INFINITY }).admit,
    onFailed: (errors) => {
      throw errors[0];
    },
  });
  const resource = resourceFromAttributes({ 'service.name': 'bench' });
  const meter = new MeterProvider({ resource, readers: [exporter] }).getMeter('bench');
  each(counters, (instrument, labels) =>
    meter.createCounter(`counter_${instrument}`).add(1, labels),
  );
  each(histograms, (instrument, labels) =>
    meter
      .createHistogram(`histogram_${instrument}`, { advice: { explicitBucketBoundaries: buckets } })
      .record(0.07, labels),
  );
  return async () => String((await exporter.scrape({})).body);
}

function createTheirs(counters: number, histograms: number): () => Promise<string> {
  const registers = [new Registry()];
  const labelNames = ['route', 'method', 'status'];
  const known = new Map<string, Counter | Histogram>();
  each(counters, (instrument, labels) => {
    const name = `counter_${instrument}`;
    if (!known.has(name)) known.set(name, new Counter({ name, help: name, labelNames, registers }));
    (known.get(name) as Counter).inc(labels, 1);
  });
  each(histograms, (instrument, labels) => {
    const name = `histogram_${instrument}`;
    const options = { name, help: name, labelNames, registers, buckets };
    if (!known.has(name)) known.set(name, new Histogram(options));
    (known.get(name) as Histogram).observe(labels, 0.07);
  });
  return () => registers[0]!.metrics();
}

type Labels = Record<'route' | 'method' | 'status', string>;

function each(count: number, record: (instrument: number, labels: Labels) => void): void {
  for (let index = 0; index < count; index += 1) {
    const labels = {
      route: `/v1/route/${index}`,
      method: 'POST',
      status: String(200 + (index % 5)),
    };
    record(Math.floor(index / setsPerInstrument), labels);
  }
}

interface Scrape {
  millis: number;
  stallMillis: number;
  bytes: number;
}

/** The longest block is measured by a callback that runs in every turn of the event loop. */
async function time(scrape: () => Promise<string>): Promise<Scrape> {
  let stallMillis = 0;
  let running = true;
  let last = performance.now();
  const check = (): void => {
    const now = performance.now();
    stallMillis = Math.max(stallMillis, now - last);
    last = now;
    if (running) setImmediate(check);
  };
  await new Promise((resolve) => setImmediate(resolve));
  check();
  const startedAt = performance.now();
  const text = await scrape();
  const millis = performance.now() - startedAt;
  await new Promise((resolve) => setImmediate(resolve));
  running = false;
  return { millis, stallMillis, bytes: text.length };
}

function summarise(scrapes: readonly Scrape[]): Timing {
  const stalls = scrapes.map(({ stallMillis }) => stallMillis);
  return {
    p50Millis: median(scrapes.map(({ millis }) => millis)),
    stallP50Millis: median(stalls),
    stallP95Millis: percentile(stalls, 95),
    stallMaxMillis: Math.max(...stalls),
    bytes: scrapes[0]?.bytes ?? 0,
  };
}
