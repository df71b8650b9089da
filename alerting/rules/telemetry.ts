/** Alerts about missing or incomplete metrics and spans. Generates `telemetry.yml`. */
import { jobs } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { rate, series } from '../../otel/promql.ts';
import type { Alert } from './rule.ts';

const lacks = (job: string, metric: MetricKey): string =>
  `(up{job="${job}"} == 1 unless on (job, instance) ${series(metric, `job="${job}"`)})`;

const lost = (metric: MetricKey, where: string): string =>
  `(${rate(metric, { where, by: ['job', 'instance'], window: '<window>' })} > <above>)`;

export const telemetryAlerts: Alert[] = [
  {
    // This alert goes to no channel. It inhibits alerts about a whole job while no instance of the job can be scraped.
    alert: 'AllTargetsDown',
    labels: { severity: 'none' },
    graph: 'max by (job) (up)',
    expr: '<graph> == 0',
    summary: {
      en: 'No instance of {{ $labels.job }} can be scraped',
      zh: '{{ $labels.job }} 的所有实例都无法抓取',
    },
    description: {
      en: 'max(up) of {{ $labels.job }} has been {{ $value }} for more than <for>. This alert only inhibits others; TargetDown notifies people.',
      zh: '{{ $labels.job }} 没有可抓取的实例（max(up) = {{ $value }}），已持续 <for>。该告警只用于抑制其他告警，通知由 TargetDown 发出。',
    },
  },
  {
    // A scrape with status 200 but without our metrics, or with only some of them, leaves `up` at 1.
    alert: 'MetricsAbsent',
    labels: { severity: 'critical' },
    graph: 'scrape_samples_scraped',
    expr: [
      lacks(jobs.chat, 'inferenceReady'),
      lacks(jobs.notifier, 'notifierPendingAge'),
      // Any other target must export at least something.
      '(up == 1 and on (job, instance) scrape_samples_scraped == 0)',
      // A job missing from prometheus.yml has no `up` series.
      ...Object.values(jobs).map((job) => `absent(up{job="${job}"})`),
    ].join(' or '),
    summary: { en: '{{ $labels.job }} exports no metrics', zh: '{{ $labels.job }} 缺少指标' },
    description: {
      en: '{{ with $labels.instance }}{{ . }} answers scrapes (up = {{ $value }}) without its metrics{{ else }}Prometheus has no target of {{ $labels.job }} (absent = {{ $value }}){{ end }} for more than <for>. Other alerts about it cannot fire.',
      zh: '{{ with $labels.instance }}{{ . }} 抓取成功（up = {{ $value }}），但缺少业务指标{{ else }}Prometheus 中没有 {{ $labels.job }} 的抓取目标（absent = {{ $value }}）{{ end }}，已持续 <for>。它的其他告警已失效，不会触发。',
    },
  },
  {
    alert: 'ScrapeSlow',
    labels: { severity: 'warning' },
    graph: 'avg_over_time(scrape_duration_seconds[<window>])',
    // Ignore a target that hangs until the timeout, because TargetDown fires for it.
    expr: '<graph> > <above> and on (job, instance) up == 1',
    summary: { en: 'Scrapes of {{ $labels.job }} are slow', zh: '抓取 {{ $labels.job }} 过慢' },
    description: {
      en: 'A scrape of {{ $labels.instance }} takes {{ $value | humanizeDuration }} on average over <window>, above <above> s for more than <for>.',
      zh: '最近 <window>抓取 {{ $labels.instance }} 平均耗时 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  },
  {
    alert: 'SeriesCeilingReached',
    labels: { severity: 'warning' },
    graph: `${series('telemetrySeries', '')} / (${series('telemetrySeriesLimit', '')} > 0)`,
    summary: {
      en: '{{ $labels.job }} is close to its series limit',
      zh: '{{ $labels.job }} 的时间序列数接近上限',
    },
    description: {
      en: '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its series limit, above <above%> for more than <for>. At the limit, measurements with new label values are dropped.',
      zh: '{{ $labels.instance }} 的时间序列数已达上限的 {{ $value | humanizePercentage }}，高于 <above%>，已持续 <for>。达到上限后，带有新标签值的测量值会被丢弃。',
    },
  },
  {
    alert: 'TelemetryDropping',
    labels: { severity: 'warning' },
    graph: `${lost('otelSdkProcessorSpanProcessed', 'error_type!=""')} or ${lost('telemetrySeriesRefused', '')} or ${lost('telemetrySpansLost', '')} or ${lost('telemetryLogLinesLost', '')}`,
    expr: '<graph>',
    summary: { en: '{{ $labels.job }} loses telemetry', zh: '{{ $labels.job }} 正在丢失遥测数据' },
    description: {
      en: '{{ $labels.instance }} drops {{ $value | printf "%.2f" }} spans, measurements or log lines per second over <window>, for more than <for>.',
      zh: '{{ $labels.instance }} 最近 <window>平均每秒丢弃 {{ $value | printf "%.2f" }} 个 span、测量值或日志行，已持续 <for>。',
    },
  },
];
