/** The six names of the article, read from ours; written to `seed-names.yml`. */
import { attributes, generationRoutes } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { labelName } from '../../otel/prometheus/prometheus-names.ts';
import { anyOf, ofChat, quantile, series } from '../../otel/promql.ts';
import type { RecordingRule, RuleContext } from './rule.ts';

const ofGenerations = ofChat(anyOf('httpRoute', generationRoutes));

/** The article's label, and ours that it is read from. */
const endpointLabels = {
  method: labelName(attributes.httpRequestMethod),
  endpoint: labelName(attributes.httpRoute),
};
const statusLabels = {
  ...endpointLabels,
  status_code: labelName(attributes.httpResponseStatusCode),
};

const perInstance = (metric: MetricKey, part = ''): string =>
  `sum by (job, instance) (${series(metric, ofChat(), part)})`;

/** One process's count of a generation metric, its labels renamed; `keep` are labels that stay as they are. */
function renamed(part: string, labels: Record<string, string>, keep: string[] = []): string {
  let source = series('httpServerRequestDuration', ofGenerations, part);
  for (const [to, from] of Object.entries(labels)) {
    source = `label_replace(${source}, "${to}", "$1", "${from}", "(.*)")`;
  }
  return `sum by (${['job', 'instance', ...Object.keys(labels), ...keep].join(', ')}) (${source})`;
}

/**
 * Each rule keeps job and instance and sums only what one process counts, so that a restart resets the recorded counter
 * as it resets the real one and `rate()` sees it. A sum over instances would turn the restart of one replica into a jump
 * of the others' whole history.
 */
export function seedNames({ thresholds, duration }: RuleContext): RecordingRule[] {
  const window = duration(thresholds.highLatency.windowSeconds);

  return [
    {
      record: 'http_request_duration_seconds_bucket',
      expr: renamed('_bucket', endpointLabels, ['le']),
    },
    ...['sum', 'count'].map((part) => ({
      record: `http_request_duration_seconds_${part}`,
      expr: renamed(`_${part}`, endpointLabels),
    })),
    {
      record: 'http_requests_total',
      expr: renamed('_count', statusLabels),
    },
    ...['sum', 'count'].map((part) => ({
      record: `model_inference_duration_seconds_${part}`,
      expr: perInstance('inferenceDuration', `_${part}`),
    })),
    // OpenTelemetry has no summary: the quantiles come from the histogram. `>= 0` drops the NaN of an idle window.
    ...[0.5, 0.9, 0.99].map((q) => ({
      record: 'model_inference_duration_seconds',
      expr: `${quantile(q, 'inferenceDuration', { where: ofChat(), by: ['job', 'instance'], window })} >= 0`,
      labels: { quantile: String(q) },
    })),
    // The article's "connections" are requests in flight.
    { record: 'active_connections', expr: perInstance('httpServerActiveRequests') },
    { record: 'process_cpu_seconds_total', expr: perInstance('processCpuTime') },
    {
      record: 'process_resident_memory_bytes',
      expr: perInstance('processMemoryUsage'),
    },
  ];
}
