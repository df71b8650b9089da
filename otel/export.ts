/**
 * Exporters by the standard OTEL_* variables: one table of signal and protocol, and the readers and processors around it. NodeSDK
 * reads these variables only where it is given no reader and no processor. Used by `sdk.ts`.
 */
import { createNoopMeter, metrics, type Meter, type MeterProvider } from '@opentelemetry/api';
import { OTLPLogExporter as LogsByGrpc } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as LogsByJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogsByProtobuf } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as MetricsByGrpc } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as MetricsByJson } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as MetricsByProtobuf } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as TracesByGrpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as TracesByJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesByProtobuf } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BatchLogRecordProcessor,
  ConsoleLogRecordExporter,
  SimpleLogRecordProcessor,
  type LogRecordProcessor,
} from '@opentelemetry/sdk-logs';
import {
  ConsoleMetricExporter,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { selectExponential, sendTwins } from './metrics/exponential.ts';
import { sendFinite } from './metrics/pushed.ts';
import { readChoice, readList, readNumber, readText, type Environment } from './environment.ts';

const otlp = {
  TRACES: { 'http/protobuf': TracesByProtobuf, 'http/json': TracesByJson, grpc: TracesByGrpc },
  METRICS: { 'http/protobuf': MetricsByProtobuf, 'http/json': MetricsByJson, grpc: MetricsByGrpc },
  LOGS: { 'http/protobuf': LogsByProtobuf, 'http/json': LogsByJson, grpc: LogsByGrpc },
} as const;

const histogramAggregation = 'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION';
const aggregations = ['explicit_bucket_histogram', 'base2_exponential_bucket_histogram'] as const;
const protocols = ['http/protobuf', 'http/json', 'grpc'] as const;
type Protocol = (typeof protocols)[number];
const pushed = ['otlp', 'console', 'none'] as const;

export interface Export {
  spanProcessors: SpanProcessor[];
  logProcessors: LogRecordProcessor[];
  /** Readers that push. */
  metricReaders: PeriodicExportingMetricReader[];
  /** Whether metrics are scraped, the default. */
  scraped: boolean;
  /** Whether exponential histograms are pushed. */
  exponential: boolean;
}

/** Creates what the variables ask for. The exporters themselves read OTEL_EXPORTER_OTLP_* for endpoint, headers, timeout and so on. */
export function createExport(env: Environment): Export {
  const signals = readProtocols(env);
  return {
    spanProcessors: createSpanProcessors(env, signals.TRACES),
    logProcessors: createLogProcessors(env, signals.LOGS),
    ...createMetricReaders(env, signals.METRICS),
  };
}

function createSpanProcessors(env: Environment, protocol: Protocol): SpanProcessor[] {
  const endpoint =
    readText(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ??
    readText(env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  const exporters = readExporters(env, 'TRACES', pushed, endpoint === undefined ? 'none' : 'otlp');
  const processors: SpanProcessor[] = [];
  if (exporters.has('otlp')) {
    const exporter = new otlp.TRACES[protocol]();
    processors.push(new BatchSpanProcessor({ exporter, ...readBatching(env, 'BSP', 5000) }));
  }
  if (exporters.has('console')) {
    processors.push(new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() }));
  }
  return processors;
}

function createLogProcessors(env: Environment, protocol: Protocol): LogRecordProcessor[] {
  const exporters = readExporters(env, 'LOGS', pushed, 'none');
  const processors: LogRecordProcessor[] = [];
  if (exporters.has('otlp')) {
    const exporter = new otlp.LOGS[protocol]();
    processors.push(new BatchLogRecordProcessor({ exporter, ...readBatching(env, 'BLRP', 1000) }));
  }
  if (exporters.has('console')) {
    processors.push(new SimpleLogRecordProcessor({ exporter: new ConsoleLogRecordExporter() }));
  }
  return processors;
}

function createMetricReaders(
  env: Environment,
  protocol: Protocol,
): Pick<Export, 'metricReaders' | 'scraped' | 'exponential'> {
  const chosen = readExporters(env, 'METRICS', ['prometheus', ...pushed], 'prometheus');
  const histograms = readChoice(env, histogramAggregation, aggregations, aggregations[0]);
  const exponential = chosen.has('otlp') && histograms === aggregations[1];
  const exporters: PushMetricExporter[] = [];
  if (chosen.has('otlp')) {
    const Exporter = otlp.METRICS[protocol];
    exporters.push(
      sendFinite(
        exponential
          ? sendTwins(new Exporter({ aggregationPreference: selectExponential }))
          : new Exporter(),
      ),
    );
  }
  if (chosen.has('console')) exporters.push(new ConsoleMetricExporter());
  const interval = readIntervals(env);
  const metricReaders = exporters.map(
    (exporter) => new PeriodicExportingMetricReader({ exporter, ...interval }),
  );
  return { metricReaders, scraped: chosen.has('prometheus'), exponential };
}

function readProtocols(env: Environment): Record<keyof typeof otlp, Protocol> {
  const general = readChoice(env, 'OTEL_EXPORTER_OTLP_PROTOCOL', protocols, 'http/protobuf');
  const read = (signal: keyof typeof otlp): Protocol =>
    readChoice(env, `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`, protocols, general);
  return { TRACES: read('TRACES'), METRICS: read('METRICS'), LOGS: read('LOGS') };
}

/** `none` beside another exporter means none, as in NodeSDK. */
function readExporters<Exporter extends string>(
  env: Environment,
  signal: keyof typeof otlp,
  choices: readonly Exporter[],
  fallback: Exporter,
): ReadonlySet<string> {
  const list = readList<string>(env, `OTEL_${signal}_EXPORTER`, choices, [fallback]);
  return new Set(list.includes('none') ? [] : list);
}

/** A processor constructed in code does not read OTEL_BSP_* and OTEL_BLRP_*. The specification defines the defaults. */
function readBatching(env: Environment, prefix: 'BSP' | 'BLRP', delayMillis: number) {
  const read = (name: string, fallback: number, min = 1): number =>
    readNumber(env, `OTEL_${prefix}_${name}`, fallback, { min });
  return {
    selfObsMeterProvider: lateMeters,
    maxQueueSize: read('MAX_QUEUE_SIZE', 2048),
    maxExportBatchSize: read('MAX_EXPORT_BATCH_SIZE', 512),
    scheduledDelayMillis: read('SCHEDULE_DELAY', delayMillis, 0),
    exportTimeoutMillis: read('EXPORT_TIMEOUT', 30_000),
  };
}

/** The reader throws if the timeout is longer than the interval. */
function readIntervals(env: Environment) {
  const exportIntervalMillis = readNumber(env, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000, { min: 1 });
  const timeout = readNumber(env, 'OTEL_METRIC_EXPORT_TIMEOUT', 30_000, { min: 1 });
  return { exportIntervalMillis, exportTimeoutMillis: Math.min(timeout, exportIntervalMillis) };
}

/**
 * Processors count the spans and log records that they drop, but are constructed before NodeSDK creates the meter provider. These
 * counters look the global provider up when they first count.
 */
const lateMeters: MeterProvider = {
  getMeter(name, version, options) {
    const meter = Object.create(createNoopMeter()) as Meter;
    meter.createCounter = (...definition) => {
      const create = (): ReturnType<Meter['createCounter']> =>
        metrics.getMeter(name, version, options).createCounter(...definition);
      let counter: ReturnType<Meter['createCounter']> | undefined;
      return { add: (...measurement) => (counter ??= create()).add(...measurement) };
    };
    return meter;
  },
};
