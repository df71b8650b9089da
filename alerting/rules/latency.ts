/** Latency of an answer: first token, each further token, and the whole. Generates `latency.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, quantile, series, summed } from '../../otel/promql.ts';
import type { Alert, RuleContext } from './rule.ts';

/** Only latencies that do not grow with the length of the answer are critical. */
export function latencyAlerts({ thresholds, duration }: RuleContext): Alert[] {
  const slow = (
    threshold: RuleContext['thresholds'][
      | 'chatLatencyHigh'
      | 'timeToFirstTokenHigh'
      | 'timePerOutputTokenHigh'],
    severity: Alert['labels']['severity'],
    { alert, en, zh }: { alert: string; en: string; zh: string },
  ): Alert => {
    const range = { by: ['job'], window: duration(threshold.windowSeconds) } as const;
    const graph = quantile(0.95, threshold.metric, { where: ofChat(), ...range });
    const requests = summed('increase', series(threshold.metric, ofChat(), '_count'), range);
    const expr = `${graph} > ${threshold.above} and ${requests} >= ${threshold.minimumRequests}`;
    return {
      alert,
      threshold,
      labels: { severity, job: jobs.chat },
      graph,
      expr,
      summary: { en: `${en} is high`, zh: `${zh}过高` },
      description: {
        en: `P95 of the ${en.toLowerCase()} is {{ $value | humanizeDuration }} over <window>, above <above> s for more than <for>.`,
        zh: `最近 <window>${zh}的 P95 为 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。`,
      },
    };
  };
  return [
    slow(thresholds.chatLatencyHigh, 'warning', {
      alert: 'ChatLatencyHigh',
      en: 'End-to-end latency',
      zh: '端到端延迟',
    }),
    slow(thresholds.timeToFirstTokenHigh, 'critical', {
      alert: 'TimeToFirstTokenHigh',
      en: 'Time to first token',
      zh: '首 token 延迟',
    }),
    slow(thresholds.timePerOutputTokenHigh, 'critical', {
      alert: 'TimePerOutputTokenHigh',
      en: 'Time per output token',
      zh: '每 token 延迟',
    }),
  ];
}
