/** Views for the metrics of the contract: declared labels only, declared buckets, under the series limit. Used by `sdk.ts`. */
import {
  AggregationType,
  type AggregationOption,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics';
import { addErrorType } from '../http.ts';
import { metrics, type MetricDefinition } from '../names.ts';
import { exponential, twinName } from './exponential.ts';
import { createLabelFilter, type Ceiling } from './series.ts';

/** Unused metrics of other packages. */
const dropped = [
  'v8js.resource.active',
  'otel.sdk.processor.span.queue.capacity',
  'otel.sdk.processor.span.queue.size',
];

/** `withTwins` adds an exponential histogram to every histogram. */
export function createViews(ceiling: Ceiling, { withTwins = false } = {}): ViewOptions[] {
  const kept = Object.values<MetricDefinition>(metrics).flatMap(
    ({ name, labels, buckets, meaning }): ViewOptions[] => {
      const view = {
        instrumentName: name,
        description: meaning,
        attributesProcessors: [
          ...(name === metrics.httpServerRequestDuration.name ? [addErrorType] : []),
          createLabelFilter({ metric: name, labels, ceiling }),
        ],
      };
      const first = { ...view, aggregation: aggregationOf(buckets) };
      if (buckets === undefined || !withTwins) return [first];
      return [first, { ...view, name: twinName(name), aggregation: exponential }];
    },
  );
  const drops = dropped.map((name) => ({
    instrumentName: name,
    aggregation: { type: AggregationType.DROP } as const,
  }));
  return [...kept, ...drops];
}

/** Applies to histograms of other packages as well. */
function aggregationOf(buckets: readonly number[] | undefined): AggregationOption {
  if (buckets === undefined) return { type: AggregationType.DEFAULT };
  const options = { boundaries: [...buckets], recordMinMax: false };
  return { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options };
}
