/** Sampling and OTLP export of traces, configured by the standard OTEL_* variables. Used by `sdk.ts`. */
import { diag, type MeterProvider } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { readNumber, type Environment } from './environment.ts';

/** Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. For an unknown sampler it warns and uses the default, `parentbased_always_on`. */
export function createSampler(env: Environment): Sampler {
  const name = env['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on';
  const ratio = readNumber(env, 'OTEL_TRACES_SAMPLER_ARG', 1, { max: 1 });
  const roots: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const root = roots[name.replace(/^parentbased_/, '')];
  if (root === undefined) {
    const expected = Object.keys(roots).flatMap((known) => [known, `parentbased_${known}`]);
    diag.warn(
      `OTEL_TRACES_SAMPLER: expected one of ${expected.join(', ')}, got "${name}"; every trace is sampled`,
    );
    return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root: root() }) : root();
}

/** Exports spans if an OTLP endpoint is configured, and counts dropped spans. The exporter itself reads OTEL_EXPORTER_OTLP_*. */
export function createExportProcessors(env: Environment, meters: MeterProvider): SpanProcessor[] {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!endpoint || env['OTEL_TRACES_EXPORTER'] === 'none') return [];
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter(),
    selfObsMeterProvider: meters,
    // A processor constructed in code does not read OTEL_BSP_*. The specification defines these defaults.
    maxQueueSize: readNumber(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 2048, { min: 1 }),
    maxExportBatchSize: readNumber(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, { min: 1 }),
    scheduledDelayMillis: readNumber(env, 'OTEL_BSP_SCHEDULE_DELAY', 5000),
    exportTimeoutMillis: readNumber(env, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000, { min: 1 }),
  });
  return [processor];
}
