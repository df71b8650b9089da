/** Variables of the exporters whose effect comes after seconds: the timers of the SDK are fake, the receivers are real. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationTemporality, InstrumentType, MeterProvider } from '@opentelemetry/sdk-metrics';
import { TracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace';
import { afterEach, expect, test, vi } from 'vitest';
import { createExport } from '../../../otel/export.ts';
import {
  collect,
  startCollector,
  type Collector,
  type CollectorKind,
} from '../../support/otel/collector.ts';

let collector: Collector | undefined;

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  diag.disable();
  await collector?.close();
  collector = undefined;
});

/** The three signals as `sdk.ts` exports them, each with something to send. Returns the processor of the spans. */
async function startExport(
  kind: CollectorKind,
  env: Record<string, string>,
): Promise<SpanProcessor> {
  collector = await startCollector(kind);
  const settings = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: 'otlp',
    ...env,
  };
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  const { spanProcessors, logProcessors, metricReaders } = createExport(settings);
  new TracerProvider({ spanProcessors }).getTracer('test').startSpan('work').end();
  new LoggerProvider({ processors: logProcessors }).getLogger('test').emit({ body: 'line' });
  new MeterProvider({ readers: metricReaders }).getMeter('test').createCounter('work').add(1);
  return spanProcessors[0]!;
}

test.each([
  ['traces', 'OTEL_BSP_SCHEDULE_DELAY'],
  ['logs', 'OTEL_BLRP_SCHEDULE_DELAY'],
  ['metrics', 'OTEL_METRIC_EXPORT_INTERVAL'],
] as const)('%s are sent after %s', async (signal, name) => {
  await startExport('receiving', { [name]: '60' });
  vi.advanceTimersByTime(60);
  vi.useRealTimers();
  await vi.waitUntil(() => collector!.received.length > 0);
  expect(collector!.received.map((each) => each.signal)).toEqual([signal]);
});

function readDiagnostics(): string[] {
  const lines: string[] = [];
  const say = (...parts: unknown[]): void => void lines.push(parts.join(' '));
  const logger = { error: say, warn: say, info: say, debug: say, verbose: say };
  diag.setLogger(logger, { logLevel: DiagLogLevel.INFO, suppressOverrideMessage: true });
  return lines;
}

test.each([
  ['OTEL_BSP_EXPORT_TIMEOUT', 'OTEL_BSP_SCHEDULE_DELAY', 'Error: Timeout'],
  ['OTEL_BLRP_EXPORT_TIMEOUT', 'OTEL_BLRP_SCHEDULE_DELAY', 'Error: Timeout'],
  ['OTEL_METRIC_EXPORT_TIMEOUT', 'OTEL_METRIC_EXPORT_INTERVAL', 'timed out after 60ms'],
])('an export is given up after %s', async (name, start, problem) => {
  const lines = readDiagnostics();
  await startExport('hanging', { [name]: '60', [start]: '70' });
  await vi.advanceTimersByTimeAsync(135);
  expect(lines.filter((line) => line.includes(problem))).toHaveLength(1);
});

test('OTEL_EXPORTER_OTLP_TIMEOUT leaves no time for a second attempt', async () => {
  const lines = readDiagnostics();
  const spans = await startExport('unavailable', { OTEL_EXPORTER_OTLP_TIMEOUT: '500' });
  await spans.forceFlush().catch(() => {});
  expect(lines.join('\n')).toContain('not retrying further');
});

test('a value that JSON has not is left out, because the null costs the whole request', async () => {
  collector = await startCollector('receiving');
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
  const { metricReaders } = createExport({
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  const meter = new MeterProvider({ readers: metricReaders }).getMeter('test');
  meter.createGauge('without value').record(NaN);
  meter.createHistogram('infinite').record(Infinity);
  const gauge = meter.createGauge('gauge');
  gauge.record(NaN, { state: 'gone' });
  gauge.record(0, { state: 'here' });
  meter.createHistogram('histogram').record(1);
  await metricReaders[0]!.forceFlush();
  const [{ body } = { body: {} }] = collector.received;
  const sent = collect<{ name: string }>(body, 'metrics').map(({ name }) => name);
  expect(sent).toEqual(['gauge', 'histogram']);
  expect(JSON.stringify(body)).toContain('here');
  expect(JSON.stringify(body)).not.toMatch(/gone|null/);
});

const { CUMULATIVE, DELTA } = AggregationTemporality;

test.each([
  ['', [CUMULATIVE, CUMULATIVE, CUMULATIVE, CUMULATIVE]],
  ['delta', [DELTA, DELTA, DELTA, CUMULATIVE]],
  ['lowmemory', [DELTA, CUMULATIVE, DELTA, CUMULATIVE]],
])(
  'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE "%s" is that of counters, observable counters, histograms, updowncounters',
  (preference, expected) => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', preference);
    const [reader] = createExport({ OTEL_METRICS_EXPORTER: 'otlp' }).metricReaders;
    const { COUNTER, OBSERVABLE_COUNTER, HISTOGRAM, UP_DOWN_COUNTER } = InstrumentType;
    expect(
      [COUNTER, OBSERVABLE_COUNTER, HISTOGRAM, UP_DOWN_COUNTER].map((type) =>
        reader!.selectAggregationTemporality(type),
      ),
    ).toEqual(expected);
  },
);
