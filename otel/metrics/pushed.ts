/** What the push exporters send, as far as it differs from what the SDK collects. Used by `export.ts`. */
import type {
  DataPoint,
  Histogram,
  MetricData,
  PushMetricExporter,
} from '@opentelemetry/sdk-metrics';

/**
 * Makes `exporter` leave out the points whose value is NaN or infinite: JSON has null for them, and the Collector refuses a request with a
 * null as a whole (seen with Jaeger 2). Gauges observe NaN where there is no value, such as the memory limit of a cgroup without one.
 */
export function sendFinite(exporter: PushMetricExporter): PushMetricExporter {
  const send = exporter.export.bind(exporter);
  exporter.export = (collected, done) => {
    const scopeMetrics = collected.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(keepFinite).filter(({ dataPoints }) => dataPoints.length > 0),
    }));
    send({ ...collected, scopeMetrics }, done);
  };
  return exporter;
}

function keepFinite(metric: MetricData): MetricData {
  const points: readonly DataPoint<number | Pick<Histogram, 'sum'>>[] = metric.dataPoints;
  return { ...metric, dataPoints: points.filter(isFinite) } as MetricData;
}

function isFinite({ value }: DataPoint<number | Pick<Histogram, 'sum'>>): boolean {
  return Number.isFinite(typeof value === 'number' ? value : (value.sum ?? 0));
}
