/**
 * Starts OpenTelemetry for a process and stops it in bounded time. `register.ts` starts it before the program loads; the program
 * gets it from `currentTelemetry`.
 */
import {
  context,
  createNoopMeter,
  diag,
  logs,
  metrics as metricsApi,
  propagation,
  ProxyTracerProvider,
  trace,
  ValueType,
  type Meter,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import {
  defaultResource,
  envDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isFulfilledWithin } from './clock.ts';
import { logDiagnostics } from './diagnostics.ts';
import { readChoice, readServer, readText, spanLimits, type Environment } from './environment.ts';
import { createExport } from './export.ts';
import { createHttpInstrumentation, patchHttp } from './http.ts';
import { droppedLines } from './log-output.ts';
import { createLogger, type Logger } from './logger.ts';
import { createInstruments, metricOptions, zeroHistogram } from './metrics/instruments.ts';
import { createCeiling, type Ceiling } from './metrics/series.ts';
import { createViews } from './metrics/views.ts';
import { attributes as a, metrics, spanLosses } from './names.ts';
import { exemplars } from './prometheus/exemplars.ts';
import {
  OpenMetricsExporter,
  sendScrape,
  type OpenMetricsExporterOptions,
  type ScrapeRequest,
  type ScrapeResponse,
} from './prometheus/exporter.ts';
import { createPropagator, createSampler } from './propagation.ts';
import { keepTraces, noTraces } from './traces/keep-traces.ts';
import type { TraceLimits, TraceStore } from './traces/traces.ts';

export interface Telemetry {
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** The most recent traces. */
  readonly traces: TraceStore;
  /** Answers `GET /metrics`: 500 if the collection fails or takes longer than 2.5 s, 404 if OTEL_METRICS_EXPORTER omits `prometheus`. */
  handleMetrics(request: IncomingMessage, response: ServerResponse): void;
  /** The same answer for programs without Node's request and response. */
  scrape(request: ScrapeRequest): Promise<ScrapeResponse>;
  /** Exports pending spans and stops, in at most `timeoutMillis` (1500). Never rejects; errors are logged. */
  shutdown(timeoutMillis?: number): Promise<void>;
}

export interface TelemetryOptions {
  serviceName: string;
  serviceVersion: string;
  /** Maximum number of attribute sets over all metrics. */
  seriesLimit?: number;
  /** Scrapes that start within this time share one collection. */
  shareMillis?: number;
  traceStore?: TraceLimits;
  /** Whether OTEL_EXPORTER_PROMETHEUS_HOST and PORT are served as well; true by default. */
  serves?: boolean;
  /** Gets the problems of telemetry; by default they are on standard output. */
  log?: Logger;
}

const scope = 'llamascope';
/** The monitor of the event-loop delay wakes the process this often, at the package's 10 ms twice as often. */
const delayPrecisionMillis = 20;
let current: Telemetry | undefined;

/** The telemetry that `register.ts` started. @throws Error if telemetry is not started. */
export function currentTelemetry(): Telemetry {
  if (current !== undefined) return current;
  throw new Error(
    'Telemetry is not started. Run the program with `node --import ./otel/register.ts`.',
  );
}

/**
 * Sets OpenTelemetry's globals and patches `node:http`. A second call returns the telemetry of the first.
 * @throws Error for an unknown LOG_LEVEL or LOG_FORMAT.
 */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  if (current !== undefined) return current;
  // Not exported: an error of the log exporter would be the next record to export, without an end.
  const log = options.log ?? createLogger({ name: 'telemetry', exported: false });
  logDiagnostics(process.env, log);
  const off = readChoice(process.env, 'OTEL_SDK_DISABLED', ['true', 'false'], 'false') === 'true';
  current = off ? disabled(process.env) : start(options, process.env, log);
  return current;
}

function start(options: TelemetryOptions, env: Environment, log: Logger): Telemetry {
  checkVariables(env);
  const ceiling = createCeiling({ limit: options.seriesLimit ?? 1000 });
  const recent = keepTraces(env, {
    limits: options.traceStore,
    onProblem: (sentence) => log.warn(sentence),
  });
  const { spanProcessors, logProcessors, metricReaders, scraped, exponential } = createExport(env);
  const onScraped = (seconds: number): void =>
    instruments.record('telemetryScrapeDuration', seconds);
  const idleMillis = metricReaders.length === 0 ? undefined : 60_000;
  const reader = scraped
    ? createReader(options, { env, ceiling, log, idleMillis, onScraped })
    : undefined;
  const runtime = new RuntimeNodeInstrumentation({ monitoringPrecision: delayPrecisionMillis });
  const configuration: ConstructorParameters<typeof NodeSDK>[0] = {
    resource: createResource(options),
    // The default detectors would add command line, paths and user of the process.
    resourceDetectors: [envDetector],
    sampler: createSampler(env),
    spanLimits: spanLimits(env),
    spanProcessors: [recent.processor, ...spanProcessors],
    views: createViews(ceiling, { withTwins: exponential }),
    metricReaders: [...(reader === undefined ? [] : [reader]), ...metricReaders],
    logRecordProcessors: logProcessors,
    textMapPropagator: createPropagator(env),
    instrumentations: [createHttpInstrumentation(), runtime],
  };
  // With OTEL_LOG_LEVEL the constructor replaces the logger, and prints a stack trace if there is one.
  diag.disable();
  const sdk = new NodeSDK(configuration);
  logDiagnostics(env, log);
  sdk.start();
  patchHttp();

  const meter = metricsApi.getMeter(scope, options.serviceVersion);
  const instruments = observeTelemetry(meter, ceiling);
  instruments.observe('telemetrySpansLost', (result) => result.observe(recent.lost()));
  instruments.observe('telemetryLogLinesLost', (result) => result.observe(droppedLines()));
  initialiseOthers(runtime);
  const parts = [...spanProcessors, ...logProcessors, ...metricReaders];
  return {
    meter,
    tracer: trace.getTracer(scope, options.serviceVersion),
    traces: recent.store,
    ...(reader === undefined ? answering(notScraped) : serving(reader)),
    shutdown: (timeoutMillis = 1500) => shutDown(sdk, parts, timeoutMillis, log),
  };
}

function createReader(
  { serves = true, shareMillis = 1000 }: TelemetryOptions,
  parts: { env: Environment; ceiling: Ceiling; log: Logger } & Pick<
    OpenMetricsExporterOptions,
    'idleMillis' | 'onScraped'
  >,
): OpenMetricsExporter {
  const { env, ceiling, log, ...rest } = parts;
  return new OpenMetricsExporter({
    ...rest,
    server: serves ? readServer(env) : undefined,
    exemplars,
    admit: ceiling.admit,
    shareMillis,
    onFailed: (errors) =>
      log.error({ err: errors[0], errors: errors.length }, 'metrics collection failed'),
  });
}

type Scraped = Pick<Telemetry, 'scrape' | 'handleMetrics'>;

function serving(reader: OpenMetricsExporter): Scraped {
  return {
    scrape: (request) => reader.scrape(request),
    handleMetrics: (request, response) => reader.getMetricsRequestHandler(request, response),
  };
}

function answering(answer: ScrapeResponse): Scraped {
  return {
    scrape: () => Promise.resolve(answer),
    handleMetrics: (_, response) => sendScrape(answer, response),
  };
}

const notScraped: ScrapeResponse = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'Metrics are not scraped here, because OTEL_METRICS_EXPORTER does not contain prometheus.\n',
};

const nothingMeasured: ScrapeResponse = {
  status: 200,
  headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  body: '# OTEL_SDK_DISABLED is true: no metrics\n',
};

/** Warns of variables that the SDK would ignore without a word. */
function checkVariables(env: Environment): void {
  if (readText(env, 'OTEL_CONFIG_FILE') !== undefined) {
    diag.warn('OTEL_CONFIG_FILE: configuration files are not supported; use the OTEL_* variables');
  }
  const attributes = readText(env, 'OTEL_RESOURCE_ATTRIBUTES') ?? '';
  if (!attributes.split(',').every((pair) => /^\s*($|[^=\s][^=]*=[^=]*$)/.test(pair))) {
    diag.warn('OTEL_RESOURCE_ATTRIBUTES: expected key=value,key=value; using none of them');
  }
}

/** For OTEL_SDK_DISABLED=true: the program runs without metrics, traces and logs. Propagation stays, as the specification requires. */
function disabled(env: Environment): Telemetry {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const propagator = createPropagator(env);
  if (propagator !== null) propagation.setGlobalPropagator(propagator);
  return {
    meter: createNoopMeter(),
    tracer: new ProxyTracerProvider().getTracer(scope),
    traces: noTraces,
    ...answering(nothingMeasured),
    shutdown: () => Promise.resolve(),
  };
}

function createResource(options: TelemetryOptions): Resource {
  const service = resourceFromAttributes({
    'service.name': options.serviceName,
    'service.version': options.serviceVersion,
    'service.instance.id': randomUUID(),
  });
  return defaultResource().merge(service);
}

function observeTelemetry(meter: Meter, ceiling: Ceiling): ReturnType<typeof createInstruments> {
  const instruments = createInstruments(meter);
  instruments.zero('telemetryScrapeDuration');
  instruments.observe('telemetrySeries', (result) => result.observe(ceiling.count()));
  instruments.observe('telemetrySeriesLimit', (result) => result.observe(ceiling.limit));
  instruments.observe('telemetrySeriesRefused', (result) => result.observe(ceiling.refused()));
  return instruments;
}

/** Creates the initial series of instruments of other packages, through meters with the same name and version. */
function initialiseOthers(runtime: RuntimeNodeInstrumentation): void {
  const gc = metrics.v8jsGcDuration;
  const pauses = metricsApi
    .getMeter(runtime.instrumentationName, runtime.instrumentationVersion)
    .createHistogram(gc.name, { ...metricOptions(gc), valueType: ValueType.DOUBLE });
  for (const type of ['major', 'minor', 'incremental', 'weakcb']) {
    zeroHistogram(pauses, { [a.gcType]: type });
  }
  const spans = createInstruments(metricsApi.getMeter('@opentelemetry/sdk-trace'));
  spans.zero('otelSdkProcessorSpanProcessed');
  for (const loss of spanLosses) {
    spans.zero('otelSdkProcessorSpanProcessed', { [a.errorType]: loss });
  }
}

/** Without a time limit, the shutdown of a provider whose collector is down took 7.5 s and then rejected (measured). */
async function shutDown(
  sdk: NodeSDK,
  parts: readonly Flushable[],
  timeoutMillis: number,
  log: Logger,
): Promise<void> {
  try {
    if (await isFulfilledWithin(timeoutMillis, stop(sdk, parts))) return;
    const message = 'telemetry did not stop in time; pending spans may be lost';
    log.warn({ timeout_ms: timeoutMillis }, message);
  } catch (error) {
    log.warn({ err: error }, 'telemetry stopped with an error');
  }
}

interface Flushable {
  forceFlush(): Promise<void>;
}

/** Flushes every signal before the shutdown, because the SDK's shutdown rejects as soon as one signal fails. */
async function stop(sdk: NodeSDK, parts: readonly Flushable[]): Promise<void> {
  const flushes = await Promise.allSettled(parts.map((part) => part.forceFlush()));
  await sdk.shutdown();
  // The SDK warns about every line that is logged after it.
  logs.disable();
  const failed = flushes.find((flush) => flush.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
