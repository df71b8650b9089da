/** The exposition of real instruments with valid and invalid names, checked against expected texts and by promtool. */
import { diag, DiagLogLevel, TraceFlags, type Attributes, type Meter } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, MeterProvider, type ViewOptions } from '@opentelemetry/sdk-metrics';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { anyCharacter } from '../../support/any-character.ts';
import { createExemplars } from '../../../otel/prometheus/exemplars.ts';
import { writeExposition, type Format } from '../../../otel/prometheus/exposition.ts';
import { toFamilies } from '../../../otel/prometheus/families.ts';
import { checkWithPromtool, parseSamples } from '../../support/otel/scrape.ts';

interface Lab {
  meter: Meter;
  other: Meter;
  write: (format?: Format) => Promise<string>;
}

const exemplars = createExemplars();

function createLab(views: ViewOptions[] = []): Lab {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const resource = resourceFromAttributes({ 'service.name': 'lab' });
  const provider = new MeterProvider({ resource, readers: [reader], views });
  return {
    meter: provider.getMeter('lab'),
    other: provider.getMeter('other'),
    async write(format = 'text') {
      const { resourceMetrics } = await reader.collect();
      return writeExposition(toFamilies(resourceMetrics), { format, exemplars });
    },
  };
}

const target = `# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="lab"} 1
`;

function ignore(): void {}

/** Warnings of the exposition. */
let warnings: string[];

beforeEach(() => {
  warnings = [];
  const warn = (message: string): void => void warnings.push(message);
  diag.setLogger(
    { error: ignore, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
});

afterEach(() => diag.disable());

describe('the text format', () => {
  test('writes a counter, a gauge and a histogram with their units', async () => {
    const { meter, write } = createLab();
    meter
      .createCounter('tokens', { unit: '{token}', description: 'Tokens.' })
      .add(3, { type: 'in' });
    meter.createGauge('memory', { unit: 'By', description: 'A "line"\nand \\.' }).record(1.5);
    const advice = { explicitBucketBoundaries: [0.5, 1] };
    const duration = meter.createHistogram('wait', { unit: 's', description: 'Waiting.', advice });
    for (const value of [0.25, 0.75, 8]) duration.record(value, { route: '/chat' });
    const text = await write();
    expect(text).toBe(`${target}# HELP memory_bytes A "line"\\nand \\\\.
# TYPE memory_bytes gauge
memory_bytes 1.5
# HELP tokens_total Tokens.
# TYPE tokens_total counter
tokens_total{type="in"} 3
# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
wait_seconds_bucket{route="/chat",le="0.5"} 1
wait_seconds_bucket{route="/chat",le="1.0"} 2
wait_seconds_bucket{route="/chat",le="+Inf"} 3
wait_seconds_sum{route="/chat"} 9
wait_seconds_count{route="/chat"} 3
`);
    expect(checkWithPromtool(text)).toBe('');
  });

  test('has only the target without measurements', async () => {
    expect(await createLab().write()).toBe(target);
  });
});

describe('OpenMetrics', () => {
  test('adds units, exemplars and an end', async () => {
    const { meter, write } = createLab();
    meter.createCounter('tokens', { unit: '{token}', description: 'Tokens.' }).add(3);
    const advice = { explicitBucketBoundaries: [0.5] };
    const wait = meter.createHistogram('wait', { unit: 's', description: 'A "wait".', advice });
    wait.record(0.25, { route: '/a' });
    const span = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: TraceFlags.SAMPLED,
    };
    exemplars.note({ name: 'wait', buckets: [0.5] }, 0.25, { route: '/a' }, span);
    const text = await write('openmetrics');
    expect(text.replace(/(?<= 0\.25 )\d+\.\d{3}$/m, 'TIME')).toBe(`# HELP target Target metadata
# TYPE target info
target_info{service_name="lab"} 1
# HELP tokens Tokens.
# TYPE tokens counter
tokens_total 3
# HELP wait_seconds A \\"wait\\".
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{route="/a",le="0.5"} 1 # {trace_id="${span.traceId}",span_id="${span.spanId}"} 0.25 TIME
wait_seconds_bucket{route="/a",le="+Inf"} 1
wait_seconds_sum{route="/a"} 0.25
wait_seconds_count{route="/a"} 1
# EOF
`);
  });

  test('an exemplar is in the bucket of its value, and an unsampled trace has none', () => {
    const store = createExemplars();
    const span = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      traceFlags: TraceFlags.SAMPLED,
    };
    const metric = { name: 'm', buckets: [1, 2] };
    store.note(metric, 1, {}, span);
    store.note(metric, 3, {}, { ...span, traceId: 'c'.repeat(32) });
    store.note(metric, 2, {}, { ...span, traceFlags: TraceFlags.NONE });
    const buckets = store.of('m', {});
    expect([buckets?.[0]?.traceId[0], buckets?.[1], buckets?.[2]?.traceId[0]]).toEqual([
      'a',
      undefined,
      'c',
    ]);
  });
});

describe('a conflict that would fail the whole scrape', () => {
  test('attributes that map to one label share it', async () => {
    const { meter, write } = createLab();
    meter
      .createCounter('c', { description: 'C.' })
      .add(1, { 'a.b': 'x', a_b: 'y', le: 'z', '0': 'd' });
    const text = await write();
    expect(text).toContain('c_total{a_b="x;y",exported_le="z",key_0="d"} 1\n');
    expect(checkWithPromtool(text)).toBe('');
  });

  test('attribute sets that map to one series are written once, with a warning', async () => {
    const { meter, write } = createLab();
    const counter = meter.createCounter('twice', { description: 'T.' });
    counter.add(1, { 'a.b': 'x' });
    counter.add(5, { a_b: 'x' });
    const text = await write();
    expect(parseSamples(text).get('twice_total{a_b="x"}')).toBe(1);
    expect(warnings.join('\n')).toContain('twice: {a_b} is a duplicate series');
  });

  test('two metrics with one name and type are one family', async () => {
    const { meter, other, write } = createLab();
    meter.createCounter('name.col', { description: 'First.' }).add(1, { from: 'a' });
    other.createCounter('name_col', { description: 'Second.' }).add(2, { from: 'b' });
    const text = await write();
    expect(text.match(/# HELP name_col_total/g)).toHaveLength(1);
    expect(text).toContain('name_col_total{from="a"} 1\nname_col_total{from="b"} 2\n');
    expect(checkWithPromtool(text)).toBe('');
  });

  test('the second of two metrics with one name and two types is dropped, with a warning', async () => {
    const { meter, other, write } = createLab();
    meter.createHistogram('size', { description: 'S.' }).record(1);
    other.createGauge('size.count', { description: 'S.' }).record(7);
    other.createGauge('target.info', { description: 'T.' }).record(7);
    const text = await write();
    expect(parseSamples(text).get('size_count')).toBe(1);
    expect(warnings).toContain('size.count: the name size_count belongs to size; dropped');
    expect(warnings).toContain('target.info: the name target_info belongs to target_info; dropped');
    expect(checkWithPromtool(text)).toBe('');
  });

  test('a metric of the contract keeps its name if another metric that was created first maps to it', async () => {
    const { meter, other, write } = createLab();
    meter.createGauge('inference.queue_depth', { description: 'Theirs.' }).record(9);
    other.createUpDownCounter('inference.queue.depth', { description: 'Ours.' }).add(1);
    expect(parseSamples(await write()).get('inference_queue_depth')).toBe(1);
  });

  test('a gauge with the value NaN is not exported', async () => {
    const { meter, write } = createLab();
    const gauge = meter.createObservableGauge('g', { description: 'G.' });
    gauge.addCallback((result) => result.observe(NaN, { role: 'dead' }));
    gauge.addCallback((result) => result.observe(1, { role: 'alive' }));
    expect(await write()).not.toContain('dead');
  });

  test('an exponential histogram is dropped, with a warning', async () => {
    const { meter, write } = createLab([
      { instrumentName: 'exp', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
    ]);
    meter.createHistogram('exp').record(1);
    expect(await write()).toBe(target);
    expect(warnings.join('\n')).toContain('exp: exponential histograms have no text form');
  });
});

describe('any name, unit, attribute and value', () => {
  const name = fc.string({
    unit: fc.constantFrom(...Array.from('aB1._-/"\\\n{}# 量\0')),
    minLength: 1,
    maxLength: 8,
  });
  const value = fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 12 }),
    fc.double(),
    fc.boolean(),
  );
  const measurement = fc.record({
    name,
    kind: fc.constantFrom('counter', 'gauge', 'updown', 'histogram'),
    unit: fc.constantFrom('', 's', 'By', '1', '{x}', 'By/s', 'weird unit"'),
    description: fc.string({ unit: anyCharacter, maxLength: 20 }),
    attributes: fc.dictionary(name, value, { maxKeys: 4 }),
    amount: fc.double({ noNaN: true, min: 0 }),
  });

  test('is readable by promtool and by our own parser', async () => {
    const samples = fc.sample(measurement, { numRuns: 2000, seed: 20_261_124 });
    const { meter, write } = createLab();
    for (const { name, kind, unit, description, attributes, amount } of samples) {
      const options = { unit, description };
      const labels = attributes as Attributes;
      if (kind === 'counter') meter.createCounter(name, options).add(amount, labels);
      else if (kind === 'gauge') meter.createGauge(name, options).record(amount, labels);
      else if (kind === 'updown') meter.createUpDownCounter(name, options).add(amount, labels);
      else meter.createHistogram(name, options).record(amount, labels);
    }
    const text = await write();
    expect(parseSamples(text).size).toBeGreaterThan(500);
    // Only unreadable text is an error; promtool also reports the style of names, which a program chooses.
    expect(checkWithPromtool(text)).not.toContain('error while linting');
  });
});
