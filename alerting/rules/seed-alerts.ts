/**
 * The article's two alerts with its expressions word for word, and the two that show whether alerts can arrive at all.
 * Generates `seed-alerts.yml`.
 */
import { jobs } from '../../otel/names.ts';
import { ofChat } from '../../otel/promql.ts';
import type { Alert } from './rule.ts';

const chat = ofChat();

export const seedAlerts: Alert[] = [
  {
    alert: 'HighLatency',
    labels: { severity: 'warning', job: jobs.chat },
    graph: `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${chat}}[<window>])) by (le))`,
    summary: { en: 'Answers are slow', zh: '端到端延迟过高（P99）' },
    description: {
      en: 'P99 of generation requests is {{ $value | humanizeDuration }} over <window>, above <above> s for more than <for>. Long answers cause it too, so nobody is notified.',
      zh: '最近 <window>端到端延迟的 P99 为 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。长回答也会触发，因此不发送通知。',
    },
  },
  {
    alert: 'HighErrorRate',
    labels: { severity: 'critical', job: jobs.chat },
    graph:
      `sum(rate(http_requests_total{${chat},status_code=~"5.."}[<window>]))` +
      ` / sum(rate(http_requests_total{${chat}}[<window>]))`,
    summary: { en: 'Requests are failing', zh: '请求失败率过高' },
    description: {
      en: '{{ $value | humanizePercentage }} of generation requests over <window> ended in 5xx, above <above%> for more than <for>.',
      zh: '最近 <window>有 {{ $value | humanizePercentage }} 的生成请求返回 5xx，高于 <above%>，已持续 <for>。',
    },
  },
  {
    alert: 'TargetDown',
    labels: { severity: 'critical' },
    graph: 'up',
    expr: 'up == 0',
    summary: { en: '{{ $labels.job }} is down', zh: '{{ $labels.job }} 不可用' },
    description: {
      en: 'Prometheus cannot scrape {{ $labels.instance }} (up = {{ $value }}) for more than <for>.',
      zh: 'Prometheus 无法抓取 {{ $labels.instance }}（up = {{ $value }}），已持续 <for>。',
    },
  },
  {
    alert: 'Watchdog',
    labels: { severity: 'none', job: jobs.prometheus },
    graph: 'ALERTS{alertname="Watchdog"}',
    expr: 'vector(1)',
    summary: { en: 'The alert path works', zh: '告警链路正常' },
    description: {
      en: 'Always fires (value {{ $value }}). While it does not arrive, no other alert does.',
      zh: '始终触发（值 {{ $value }}）。如果收不到它，其他告警也无法送达。',
    },
  },
];
