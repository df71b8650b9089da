/**
 * The last sampled trace behind every histogram bucket. `instruments.ts` notes them, `exposition.ts` writes them into
 * OpenMetrics; the metrics SDK for JavaScript has no exemplars of its own.
 */
import { TraceFlags, type Attributes, type SpanContext } from '@opentelemetry/api';
import { seriesKey } from '../metrics/series.ts';

export interface Exemplar {
  traceId: string;
  spanId: string;
  value: number;
  /** Seconds since 1970. */
  at: number;
}

export interface Exemplars {
  /** Remembers the span for the bucket that `value` falls into; a span that was not sampled leads nowhere and is ignored. */
  note(
    metric: { name: string; buckets: readonly number[] },
    value: number,
    attributes: Attributes,
    span: SpanContext,
  ): void;
  /** By bucket index, the bucket beyond the last bound included. */
  of(metricName: string, attributes: Attributes): readonly (Exemplar | undefined)[] | undefined;
}

export function createExemplars(): Exemplars {
  const byMetric = new Map<string, Map<string, (Exemplar | undefined)[]>>();
  return {
    note(metric, value, attributes, span) {
      if ((span.traceFlags & TraceFlags.SAMPLED) === 0) return;
      let bySeries = byMetric.get(metric.name);
      if (bySeries === undefined) byMetric.set(metric.name, (bySeries = new Map()));
      const key = seriesKey(attributes);
      let buckets = bySeries.get(key);
      if (buckets === undefined) bySeries.set(key, (buckets = []));
      const found = metric.buckets.findIndex((bound) => value <= bound);
      const bucket = found === -1 ? metric.buckets.length : found;
      buckets[bucket] = {
        traceId: span.traceId,
        spanId: span.spanId,
        value,
        at: Date.now() / 1000,
      };
    },
    of: (metricName, attributes) => byMetric.get(metricName)?.get(seriesKey(attributes)),
  };
}

/** The one store of the process: an instrument reaches it without being handed anything but a meter. */
export const exemplars = createExemplars();
