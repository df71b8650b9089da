/**
 * Base-2 exponential histograms for the push exporters, while `/metrics` keeps its buckets. A view chooses one aggregation for all readers, so
 * each histogram has a second view, its twin, and every exporter drops one of the two. Used by `views.ts` and `export.ts`.
 */
import { AggregationType, DataPointType, InstrumentType } from '@opentelemetry/sdk-metrics';
import type { AggregationOption, MetricData, PushMetricExporter } from '@opentelemetry/sdk-metrics';

const suffix = '.exponential';

export const exponential: AggregationOption = {
  type: AggregationType.EXPONENTIAL_HISTOGRAM,
  options: { recordMinMax: false },
};

/** For histograms without a view. */
export function selectExponential(type: InstrumentType): AggregationOption {
  return type === InstrumentType.HISTOGRAM ? exponential : { type: AggregationType.DEFAULT };
}

export function twinName(metric: string): string {
  return metric + suffix;
}

export function isTwin({ dataPointType, descriptor }: MetricData): boolean {
  return dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM && descriptor.name.endsWith(suffix);
}

/** Makes `exporter` send the twin of each histogram under the histogram's name. */
export function sendTwins(exporter: PushMetricExporter): PushMetricExporter {
  const send = exporter.export.bind(exporter);
  exporter.export = (collected, done) => {
    const scopeMetrics = collected.scopeMetrics.map(({ scope, metrics }) => {
      const twins = new Set(metrics.filter(isTwin).map(({ descriptor }) => descriptor.name));
      const sent = metrics.filter(({ descriptor }) => !twins.has(twinName(descriptor.name)));
      return { scope, metrics: sent.map((metric) => (isTwin(metric) ? rename(metric) : metric)) };
    });
    send({ ...collected, scopeMetrics }, done);
  };
  return exporter;
}

function rename(twin: MetricData): MetricData {
  const name = twin.descriptor.name.slice(0, -suffix.length);
  return { ...twin, descriptor: { ...twin.descriptor, name } };
}
