/** The six names of the article, read from ours; written to `seed-names.yml`. */
import { attributes, generationRoutes, metrics } from '../../otel/names.ts';
import { labelName } from '../../otel/prometheus/prometheus-names.ts';
import { anyOf, ofChat } from './expressions.ts';
import type { RecordingRule, RuleContext } from './rule.ts';

const ofGenerations = ofChat(anyOf(attributes.httpRoute, generationRoutes));

/** The article's label, and ours that it is read from. */
const endpointLabels = {
  method: labelName(attributes.httpRequestMethod),
  endpoint: labelName(attributes.httpRoute),
};
const statusLabels = {
  ...endpointLabels,
  status_code: labelName(attributes.httpResponseStatusCode),
};

const perInstance = (metric: string): string => `sum by (job, instance) (${metric}${ofChat()})`;

/** One process's count of a generation metric, its labels renamed; `keep` are labels that stay as they are. */
function renamed(metric: string, labels: Record<string, string>, keep: string[] = []): string {
  let source = metric + ofGenerations;
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
  const http = metrics.httpServerRequestDuration.scraped;
  const inference = metrics.inferenceDuration.scraped;
  const window = duration(thresholds.highLatency.windowSeconds);

  return [
    {
      record: 'http_request_duration_seconds_bucket',
      expr: renamed(`${http}_bucket`, endpointLabels, ['le']),
    },
    ...['sum', 'count'].map((part) => ({
      record: `http_request_duration_seconds_${part}`,
      expr: renamed(`${http}_${part}`, endpointLabels),
    })),
    {
      record: 'http_requests_total',
      expr: renamed(`${http}_count`, statusLabels),
    },
    ...['sum', 'count'].map((part) => ({
      record: `model_inference_duration_seconds_${part}`,
      expr: perInstance(`${inference}_${part}`),
    })),
    // OpenTelemetry has no summary: the quantiles come from the histogram. `>= 0` drops the NaN of an idle window.
    ...['0.5', '0.9', '0.99'].map((quantile) => ({
      record: 'model_inference_duration_seconds',
      expr: `histogram_quantile(${quantile}, sum by (job, instance, le) (rate(${inference}_bucket${ofChat()}[${window}]))) >= 0`,
      labels: { quantile },
    })),
    // The article's "connections" are requests in flight.
    { record: 'active_connections', expr: perInstance(metrics.httpServerActiveRequests.scraped) },
    { record: 'process_cpu_seconds_total', expr: perInstance(metrics.processCpuTime.scraped) },
    {
      record: 'process_resident_memory_bytes',
      expr: perInstance(metrics.processMemoryUsage.scraped),
    },
  ];
}
