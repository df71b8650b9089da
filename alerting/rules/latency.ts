/** Latency alerts: time to first token, time per output token, end-to-end latency. Generates `latency.yml`. */
import { jobs } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { ofChat, ofGenerations, quantile, series, summed } from '../../otel/promql.ts';
import { defaultThresholds } from '../../otel/thresholds.ts';
import type { Alert } from './rule.ts';

function slow(
  alert: string,
  metric: MetricKey,
  severity: Alert['labels']['severity'],
  { en, zh, where = ofChat() }: { en: string; zh: string; where?: string },
): Alert {
  const range = { by: ['job'], window: '<window>' } as const;
  const requests = summed('increase', series(metric, where, '_count'), range);
  return {
    alert,
    labels: { severity, job: jobs.chat },
    graph: quantile(0.95, metric, { where, ...range }),
    expr: `<graph> > <above> and ${requests} >= <minimumRequests>`,
    summary: { en: `${en} is high`, zh: `${zh}过高` },
    description: {
      en: `P95 of the ${en.toLowerCase()} is {{ $value | humanizeDuration }} over <window>, above <above> s for more than <for>.`,
      zh: `最近 <window>${zh}的 P95 为 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。`,
    },
  };
}

const { chatLatencyHigh, timeToFirstTokenHigh, timePerOutputTokenHigh } = defaultThresholds;

/** End-to-end latency is only a warning, because it grows with the length of the answer. */
export const latencyAlerts: Alert[] = [
  slow('ChatLatencyHigh', chatLatencyHigh.metric, 'warning', {
    en: 'End-to-end latency',
    zh: '端到端延迟',
    where: ofChat(ofGenerations),
  }),
  slow('TimeToFirstTokenHigh', timeToFirstTokenHigh.metric, 'critical', {
    en: 'Time to first token',
    zh: '首 token 延迟',
  }),
  slow('TimePerOutputTokenHigh', timePerOutputTokenHigh.metric, 'critical', {
    en: 'Time per output token',
    zh: '每 token 延迟',
  }),
];
