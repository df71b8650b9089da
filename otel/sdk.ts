/**
 * Starts OpenTelemetry for a process and stops it in bounded time. `register.ts` starts it before the program loads; the program
 * gets it from `currentTelemetry`.
 */
import {
  context,
  createNoopMeter,
  diag,
  DiagLogLevel,
  metrics as metricsApi,
  propagation,
  ProxyTracerProvider,
  trace,
  ValueType,
  type Meter,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { diagLogLevelFromString, W3CTraceContextPropagator } from '@opentelemetry/core';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { randomUUID } from 'node:crypto';
import { isFulfilledWithin } from './clock.ts';
import { spanLimits } from './environment.ts';
import { exemplars } from './prometheus/exemplars.ts';
import { createExportProcessors, createSampler } from './export.ts';
import { createHttpInstrumentation, patchHttp } from './http.ts';
import { createInstruments, metricOptions, zeroHistogram } from './metrics/instruments.ts';
import { createLogger, type Logger } from './logger.ts';
import { attributes as a, metrics, spanLosses } from './names.ts';
import { createScraper, type ScrapeRequest, type ScrapeResponse } from './prometheus/scrape.ts';
import { createCeiling, type Ceiling } from './metrics/series.ts';
import { createTraceStore, type TraceStore } from './traces/traces.ts';
import { createViews } from './metrics/views.ts';

export interface Telemetry {
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** The most recent traces. */
  readonly traces: TraceStore;
  /** Answers one scrape; status 500 if the collection fails or takes longer than 2.5 s. */
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
  traceStore?: { traces: number; bytes: number };
}

const scope = 'llamascope';
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
  const log = createLogger({ name: 'telemetry' });
  const off = process.env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  current = off ? disabled() : start(options, log);
  return current;
}

function start(options: TelemetryOptions, log: Logger): Telemetry {
  logDiagnostics(log);
  const resource = createResource(options);
  const ceiling = createCeiling({ limit: options.seriesLimit ?? 1000 });
  const reader = new PrometheusExporter({ preventServerStart: true });
  const views = createViews(ceiling);
  const meterProvider = new MeterProvider({ resource, views, readers: [reader] });
  const recent = createTraceStore(options.traceStore ?? { traces: 500, bytes: 8 * 2 ** 20 });
  const tracerProvider = new TracerProvider({
    resource,
    sampler: createSampler(process.env),
    spanLimits: spanLimits(process.env),
    spanProcessors: [recent.processor, ...createExportProcessors(process.env, meterProvider)],
  });

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  // No baggage: it would pass data of any client on to other services.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  metricsApi.setGlobalMeterProvider(meterProvider);
  trace.setGlobalTracerProvider(tracerProvider);
  const http = createHttpInstrumentation();
  const runtime = new RuntimeNodeInstrumentation();
  registerInstrumentations({ instrumentations: [http, runtime], meterProvider, tracerProvider });
  patchHttp();

  const meter = meterProvider.getMeter(scope, options.serviceVersion);
  const instruments = observeTelemetry(meter, ceiling);
  initialiseOthers(meterProvider, runtime);
  const scrape = createScraper({
    collect: (collectOptions) => reader.collect(collectOptions),
    exemplars,
    ceiling,
    shareMillis: options.shareMillis ?? 1000,
    onScraped: (seconds) => instruments.record('telemetryScrapeDuration', seconds),
    onFailed: (errors) =>
      log.error({ err: errors[0], errors: errors.length }, 'metrics collection failed'),
  });
  return {
    meter,
    tracer: tracerProvider.getTracer(scope, options.serviceVersion),
    traces: recent.store,
    scrape,
    shutdown: (timeoutMillis = 1500) =>
      shutDown(
        [() => tracerProvider.shutdown(), () => meterProvider.shutdown()],
        timeoutMillis,
        log,
      ),
  };
}

/** For OTEL_SDK_DISABLED=true: the program runs without metrics and traces. */
function disabled(): Telemetry {
  return {
    meter: createNoopMeter(),
    tracer: new ProxyTracerProvider().getTracer(scope),
    traces: { list: () => [], get: () => undefined },
    scrape: () =>
      Promise.resolve({
        status: 200,
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        body: '# OTEL_SDK_DISABLED is true: no metrics\n',
      }),
    shutdown: () => Promise.resolve(),
  };
}

/** Attributes of the service only. The default detectors would add command line, paths and user of the process. */
function createResource(options: TelemetryOptions): Resource {
  const ours = resourceFromAttributes({
    'service.name': options.serviceName,
    'service.version': options.serviceVersion,
    'service.instance.id': randomUUID(),
  });
  const given = detectResources({ detectors: [resourceAttributesEnvDetector] });
  const name = process.env['OTEL_SERVICE_NAME'];
  return ours.merge(given).merge(resourceFromAttributes(name ? { 'service.name': name } : {}));
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
function initialiseOthers(meters: MeterProvider, runtime: RuntimeNodeInstrumentation): void {
  const gc = metrics.v8jsGcDuration;
  const pauses = meters
    .getMeter(runtime.instrumentationName, runtime.instrumentationVersion)
    .createHistogram(gc.name, { ...metricOptions(gc), valueType: ValueType.DOUBLE });
  for (const type of ['major', 'minor', 'incremental', 'weakcb']) {
    zeroHistogram(pauses, { [a.gcType]: type });
  }
  const spans = createInstruments(meters.getMeter('@opentelemetry/sdk-trace'));
  spans.zero('otelSdkProcessorSpanProcessed');
  for (const loss of spanLosses) {
    spans.zero('otelSdkProcessorSpanProcessed', { [a.errorType]: loss });
  }
}

/** Logs the SDK's diagnostics, such as a collector that does not answer. */
function logDiagnostics(log: Logger): void {
  const level = diagLogLevelFromString(process.env['OTEL_LOG_LEVEL']) ?? DiagLogLevel.WARN;
  const say =
    (method: 'error' | 'warn' | 'info' | 'debug' | 'trace') =>
    (message: string, ...details: unknown[]): void =>
      log[method]([message, ...details].join(' '));
  diag.setLogger(
    {
      error: say('error'),
      warn: say('warn'),
      info: say('info'),
      debug: say('debug'),
      verbose: say('trace'),
    },
    { logLevel: level, suppressOverrideMessage: true },
  );
}

/** Without a time limit, the shutdown of a provider whose collector is down took 7.5 s and then rejected (measured). */
async function shutDown(
  stops: readonly (() => Promise<void>)[],
  timeoutMillis: number,
  log: Logger,
): Promise<void> {
  const stopped = Promise.allSettled(stops.map((stop) => stop()));
  if (!(await isFulfilledWithin(timeoutMillis, stopped))) {
    log.warn(
      { timeout_ms: timeoutMillis },
      'telemetry did not stop in time; pending spans may be lost',
    );
    return;
  }
  for (const result of await stopped) {
    if (result.status === 'rejected')
      log.warn({ err: result.reason }, 'telemetry stopped with an error');
  }
}
