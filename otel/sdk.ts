/** Starts OpenTelemetry for a process: providers, HTTP instrumentation, one scrape, a bounded shutdown. */
import {
  context,
  metrics as metricsApi,
  propagation,
  trace,
  type Meter,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, MeterProvider } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { contentTypes, formatMetrics, type Format } from './exposition.ts';
import { initialiseHttpSeries, isIgnored } from './http.ts';
import { createInstrument, initialise, recordDuration } from './instruments.ts';
import { metrics } from './names.ts';

export interface Scrape {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export interface Telemetry {
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** One scrape; a collection that fails or hangs is a 500 within 3 s. */
  scrape(request: {
    accept?: string | undefined;
    acceptEncoding?: string | undefined;
  }): Promise<Scrape>;
  /** Makes the HTTP series of these routes exist before their first request. */
  initialiseHttp(routes: readonly string[], statusCodes: readonly number[]): void;
  /** Flushes what it can in the time given; never rejects. */
  shutdown(timeoutMillis?: number): Promise<void>;
}

export interface TelemetryOptions {
  serviceName: string;
  serviceVersion: string;
  /** Where spans go over OTLP; undefined: nowhere. */
  otlpEndpoint?: string | undefined;
}

const collectTimeoutMillis = 2500;
const shareMillis = 1000;
const compress = promisify(gzip);
let current: Telemetry | undefined;

/** What register.ts started. @throws Error that says how to start it. */
export function currentTelemetry(): Telemetry {
  if (current !== undefined) return current;
  throw new Error('Telemetry is not started: run with `node --import ./otel/register.ts`');
}

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const resource = resourceFromAttributes({
    'service.name': options.serviceName,
    'service.version': options.serviceVersion,
    'service.instance.id': randomUUID(),
  });
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({
    resource,
    readers: [exporter],
    views: [
      {
        instrumentName: metrics.httpServerRequestDuration.name,
        aggregation: {
          type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
          options: { boundaries: [...metrics.httpServerRequestDuration.buckets] },
        },
      },
    ],
  });
  const tracerProvider = new TracerProvider({
    resource,
    spanProcessors:
      options.otlpEndpoint === undefined
        ? []
        : [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  metricsApi.setGlobalMeterProvider(meterProvider);
  trace.setGlobalTracerProvider(tracerProvider);
  const http = new HttpInstrumentation({ ignoreIncomingRequestHook: isIgnored });
  registerInstrumentations({ instrumentations: [http, new RuntimeNodeInstrumentation()] });
  // ESM never goes through the patched require; this patches the server's prototype in place.
  createRequire(import.meta.url)('node:http');
  const meter = metricsApi.getMeter('llamascope', options.serviceVersion);
  current = {
    meter,
    tracer: trace.getTracer('llamascope', options.serviceVersion),
    scrape: createScrape(exporter, meter),
    initialiseHttp: (routes, statusCodes) =>
      initialiseHttpSeries(
        { name: http.instrumentationName, version: http.instrumentationVersion },
        routes,
        statusCodes,
      ),
    async shutdown(timeoutMillis = 1500) {
      const done = Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()]);
      await Promise.race([
        done,
        new Promise((resolve) => setTimeout(resolve, timeoutMillis).unref()),
      ]);
    },
  };
  return current;
}

function createScrape(exporter: PrometheusExporter, meter: Meter): Telemetry['scrape'] {
  const duration = createInstrument(meter, 'telemetryScrapeDuration');
  initialise(duration);
  let shared: { at: number; result: ReturnType<PrometheusExporter['collect']> } | undefined;

  // Some gauges reset whenever anyone collects, so scrapes within a second share one collection.
  function collect(): ReturnType<PrometheusExporter['collect']> {
    const now = performance.now();
    if (shared === undefined || now - shared.at > shareMillis) {
      shared = { at: now, result: exporter.collect({ timeoutMillis: collectTimeoutMillis }) };
    }
    return shared.result;
  }

  return async function scrape({ accept, acceptEncoding }) {
    const startedAt = performance.now();
    const format: Format = accept?.includes('application/openmetrics-text')
      ? 'openmetrics'
      : 'text';
    const { resourceMetrics, errors } = await collect().catch((error: unknown) => ({
      resourceMetrics: undefined,
      errors: [error],
    }));
    if (resourceMetrics === undefined || errors.length > 0) {
      const body = `The collection of metrics failed: ${String(errors[0])}\n`;
      return { status: 500, headers: { 'content-type': 'text/plain' }, body };
    }
    const text = formatMetrics(resourceMetrics, format);
    recordDuration(duration, (performance.now() - startedAt) / 1000);
    const headers = { 'content-type': contentTypes[format] };
    if (!/\bgzip\b/.test(acceptEncoding ?? '')) return { status: 200, headers, body: text };
    return {
      status: 200,
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: await compress(text),
    };
  };
}
