/**
 * Exemplars: the last sampled span of every histogram bucket. `instruments.ts` stores them and `exposition.ts` writes them. The metrics
 * SDK for JavaScript has no exemplars.
 */
import { TraceFlags, type Attributes, type SpanContext } from '@opentelemetry/api';
import { keyOf } from '../metrics/series.ts';

export interface Exemplar {
  traceId: string;
  spanId: string;
  value: number;
  /** Seconds since 1970. */
  at: number;
}

export interface Exemplars {
  /** Stores the span for the bucket of `value`; ignores a span that is not sampled, because its trace does not exist. */
  note(
    metric: { name: string; buckets: readonly number[] },
    value: number,
    attributes: Attributes,
    span: SpanContext,
  ): void;
  /** Exemplars by bucket index, `+Inf` included. */
  of(metricName: string, attributes: Attributes): readonly (Exemplar | undefined)[] | undefined;
}

export function createExemplars(): Exemplars {
  const byMetric = new Map<string, Map<string, (Exemplar | undefined)[]>>();
  return {
    note(metric, value, attributes, span) {
      if ((span.traceFlags & TraceFlags.SAMPLED) === 0) return;
      let bySeries = byMetric.get(metric.name);
      if (bySeries === undefined) byMetric.set(metric.name, (bySeries = new Map()));
      const key = keyOf(attributes);
      let buckets = bySeries.get(key);
      if (buckets === undefined) bySeries.set(key, (buckets = []));
      const found = metric.buckets.findIndex((bound) => value <= bound);
      const bucket = found === -1 ? metric.buckets.length : found;
      const { traceId, spanId } = span;
      buckets[bucket] = { traceId, spanId, value, at: Date.now() / 1000 };
    },
    of: (metricName, attributes) => byMetric.get(metricName)?.get(keyOf(attributes)),
  };
}

/** The store of the process. It is global, so that an instrument needs only a meter. */
export const exemplars = createExemplars();
