/** The article's two alerts and the two without which silence means nothing; written to `seed-alerts.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat } from '../../otel/promql.ts';
import { inChinese } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

/**
 * The article's two alerts, their expressions word for word, and the two without which silence means nothing. The
 * aggregated ones have no labels of their own: a static `job` lets Alertmanager inhibit them.
 */
export function seedAlerts({ thresholds, duration }: RuleContext): Alert[] {
  const { highLatency: latency, highErrorRate: errors, targetDown } = thresholds;
  const latencyWindow = duration(latency.windowSeconds);
  const p99 = `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${ofChat()}}[${latencyWindow}])) by (le))`;
  const requests = `sum(increase(http_requests_total{${ofChat()}}[${latencyWindow}]))`;
  const errorsWindow = duration(errors.windowSeconds);
  const errorRatio =
    `sum(rate(http_requests_total{job="${jobs.chat}",status_code=~"5.."}[${errorsWindow}]))` +
    ` / sum(rate(http_requests_total{${ofChat()}}[${errorsWindow}]))`;

  return [
    {
      alert: 'HighLatency',
      expr: `${p99} > ${latency.above} and ${requests} >= ${latency.minimumRequests}`,
      for: duration(latency.forSeconds),
      labels: { severity: 'warning', job: jobs.chat },
      graph: p99,
      text: {
        en: {
          summary: 'Answers are slow',
          description: `P99 of generation requests is {{ $value | humanizeDuration }} over ${latencyWindow}, above ${latency.above} s for more than ${duration(latency.forSeconds)}.`,
        },
        zh: {
          summary: '回答变慢',
          description: `最近 ${inChinese(latencyWindow)}生成请求的 P99 延迟为 {{ $value | humanizeDuration }}，超过 ${latency.above} 秒已达 ${inChinese(duration(latency.forSeconds))}。`,
        },
      },
    },
    {
      alert: 'HighErrorRate',
      expr: `${errorRatio} > ${errors.above}`,
      for: duration(errors.forSeconds),
      labels: { severity: 'critical', job: jobs.chat },
      graph: errorRatio,
      text: {
        en: {
          summary: 'Requests are failing',
          description: `{{ $value | humanizePercentage }} of generation requests over ${errorsWindow} ended in 5xx, above ${errors.above * 100}% for more than ${duration(errors.forSeconds)}.`,
        },
        zh: {
          summary: '请求失败率过高',
          description: `最近 ${inChinese(errorsWindow)}有 {{ $value | humanizePercentage }} 的生成请求返回 5xx，超过 ${errors.above * 100}% 已达 ${inChinese(duration(errors.forSeconds))}。`,
        },
      },
    },
    {
      alert: 'TargetDown',
      expr: 'up == 0',
      for: duration(targetDown.forSeconds),
      labels: { severity: 'critical' },
      graph: 'up',
      text: {
        en: {
          summary: '{{ $labels.job }} is down',
          description: `Prometheus cannot scrape {{ $labels.instance }} (up = {{ $value }}) for more than ${duration(targetDown.forSeconds)}.`,
        },
        zh: {
          summary: '{{ $labels.job }} 不可用',
          description: `Prometheus 无法抓取 {{ $labels.instance }}（up = {{ $value }}），已超过 ${inChinese(duration(targetDown.forSeconds))}。`,
        },
      },
    },
    {
      alert: 'Watchdog',
      expr: 'vector(1)',
      labels: { severity: 'none', job: 'prometheus' },
      graph: 'ALERTS{alertname="Watchdog"}',
      text: {
        en: {
          summary: 'The alert path is alive',
          description: 'Always firing (value {{ $value }}): when it stops arriving, alerts do too.',
        },
        zh: {
          summary: '告警链路正常',
          description: '始终触发（值 {{ $value }}）：一旦收不到它，其他告警也收不到。',
        },
      },
    },
  ];
}
