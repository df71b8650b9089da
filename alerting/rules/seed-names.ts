/** Records the article's six metrics from our own. Generates `seed-names.yml`. */
import { attributes, generationRoutes } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { labelName } from '../../otel/prometheus/prometheus-names.ts';
import { brokenStreams } from '../../otel/outcomes.ts';
import { anyOf, ofChat, quantile, series } from '../../otel/promql.ts';
import type { RecordingRule, RuleContext } from './rule.ts';

const ofGenerations = ofChat(anyOf('httpRoute', generationRoutes));

/** Label of the article → label of ours. */
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

/**
 * A series of the HTTP histogram, of generations only, with renamed labels; `keep` are labels that keep their names, `replace` are
 * arguments of further label_replace().
 */
function renamed(
  part: string,
  labels: Record<string, string>,
  { keep = [], replace = [] }: { keep?: string[]; replace?: string[] } = {},
): string {
  let source = series('httpServerRequestDuration', ofGenerations, part);
  for (const [to, from] of Object.entries(labels)) {
    source = `label_replace(${source}, "${to}", "$1", "${from}", "(.*)")`;
  }
  for (const replacement of replace) source = `label_replace(${source}, ${replacement})`;
  return `sum by (${['job', 'instance', ...Object.keys(labels), ...keep].join(', ')}) (${source})`;
}

/** A stream that broke off after its 200 has the reason as error type, and gets the status of the table. */
function requestsByStatus(): string {
  const broken = [...brokenStreams()].map(
    ([status, reasons]) =>
      `"status_code", "${status}", "${labelName(attributes.errorType)}", "${reasons.join('|')}"`,
  );
  return renamed('_count', statusLabels, { replace: broken });
}

/**
 * Each rule keeps job and instance, so that a restart resets the recorded counter as it resets the original one and `rate()`
 * notices. In a sum over instances the restart of one replica would look like a jump by the whole count of the others.
 */
export function seedNames({ thresholds, duration }: RuleContext): RecordingRule[] {
  const window = duration(thresholds.highLatency.windowSeconds);

  return [
    {
      record: 'http_request_duration_seconds_bucket',
      expr: renamed('_bucket', endpointLabels, { keep: ['le'] }),
    },
    ...['sum', 'count'].map((part) => ({
      record: `http_request_duration_seconds_${part}`,
      expr: renamed(`_${part}`, endpointLabels),
    })),
    { record: 'http_requests_total', expr: requestsByStatus() },
    ...['sum', 'count'].map((part) => ({
      record: `model_inference_duration_seconds_${part}`,
      expr: perInstance('inferenceDuration', `_${part}`),
    })),
    // OpenTelemetry has no summaries, so the quantiles are computed from the histogram. `>= 0` drops the NaN of idle windows.
    ...[0.5, 0.9, 0.99].map((q) => ({
      record: 'model_inference_duration_seconds',
      expr: `${quantile(q, 'inferenceDuration', { where: ofChat(), by: ['job', 'instance'], window })} >= 0`,
      labels: { quantile: String(q) },
    })),
    // The article counts requests in flight as connections.
    { record: 'active_connections', expr: perInstance('httpServerActiveRequests') },
    { record: 'process_cpu_seconds_total', expr: perInstance('processCpuTime') },
    {
      record: 'process_resident_memory_bytes',
      expr: perInstance('processMemoryUsage'),
    },
  ];
}
