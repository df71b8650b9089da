/** Whether what we see is true: scrapes, series, spans; written to `telemetry.yml`. */
import { jobs } from '../../otel/names.ts';
import { rate, series } from '../../otel/promql.ts';
import type { MetricKey } from '../../otel/names.ts';
import { inChinese, percent } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

export function telemetryAlerts(context: RuleContext): Alert[] {
  return [
    allTargetsDown(context),
    metricsAbsent(context),
    scrapeSlow(context),
    seriesCeilingReached(context),
    telemetryDropping(context),
  ];
}

/** Told to nobody: it silences what is said about a whole job while none of its instances can be scraped. */
function allTargetsDown({ thresholds, duration }: RuleContext): Alert {
  const held = duration(thresholds.allTargetsDown.forSeconds);
  const graph = 'max by (job) (up)';
  return {
    alert: 'AllTargetsDown',
    expr: `${graph} == 0`,
    for: held,
    labels: { severity: 'none' },
    graph,
    text: {
      en: {
        summary: 'No instance of {{ $labels.job }} can be scraped',
        description: `Best state of an instance of {{ $labels.job }}: up = {{ $value }}, for more than ${held}. Only silences what follows from it; TargetDown tells people.`,
      },
      zh: {
        summary: '{{ $labels.job }} 的所有实例都无法抓取',
        description: `{{ $labels.job }} 最好的实例 up = {{ $value }}，已超过 ${inChinese(held)}。只用于抑制由此引起的告警；通知由 TargetDown 发出。`,
      },
    },
  };
}

const lacks = (job: string, metric: MetricKey): string =>
  `(up{job="${job}"} == 1 unless on (job, instance) ${series(metric, `job="${job}"`)})`;

/** A scrape that is 200 but empty leaves `up` at 1; so does one by which only part of the metrics comes. */
function metricsAbsent({ thresholds, duration }: RuleContext): Alert {
  const held = duration(thresholds.metricsAbsent.forSeconds);
  return {
    alert: 'MetricsAbsent',
    expr: [
      lacks(jobs.chat, 'inferenceReady'),
      lacks(jobs.notifier, 'notifierPendingAge'),
      // Everybody else: whatever they export, it is not nothing.
      '(up == 1 and on (job, instance) scrape_samples_scraped == 0)',
      // A job missing from prometheus.yml has no `up` series either.
      ...Object.values(jobs).map((job) => `absent(up{job="${job}"})`),
    ].join(' or '),
    for: held,
    labels: { severity: 'critical' },
    graph: 'scrape_samples_scraped',
    text: {
      en: {
        summary: '{{ $labels.job }} gives no metrics',
        description: `{{ with $labels.instance }}{{ . }} answers scrapes (up = {{ $value }}) without its metrics{{ else }}Prometheus knows no target of {{ $labels.job }} (absent = {{ $value }}){{ end }} for more than ${held}: every other alert about it is blind.`,
      },
      zh: {
        summary: '{{ $labels.job }} 没有指标',
        description: `{{ with $labels.instance }}{{ . }} 能被抓取（up = {{ $value }}），但没有自己的指标{{ else }}Prometheus 中没有 {{ $labels.job }} 的目标（absent = {{ $value }}）{{ end }}，已超过 ${inChinese(held)}：关于它的其他告警都已失明。`,
      },
    },
  };
}

function scrapeSlow({ thresholds, duration }: RuleContext): Alert {
  const { above, windowSeconds, forSeconds } = thresholds.scrapeSlow;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const graph = `avg_over_time(scrape_duration_seconds[${window}])`;
  return {
    alert: 'ScrapeSlow',
    // A target that hangs until the timeout is down: that is another alert's to tell.
    expr: `${graph} > ${above} and on (job, instance) up == 1`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: 'Scrapes of {{ $labels.job }} are slow',
        description: `A scrape of {{ $labels.instance }} takes {{ $value | humanizeDuration }} over ${window}, above ${above} s for more than ${held}.`,
      },
      zh: {
        summary: '抓取 {{ $labels.job }} 过慢',
        description: `最近 ${inChinese(window)}抓取 {{ $labels.instance }} 平均耗时 {{ $value | humanizeDuration }}，超过 ${above} 秒已达 ${inChinese(held)}。`,
      },
    },
  };
}

function seriesCeilingReached({ thresholds, duration }: RuleContext): Alert {
  const { above, forSeconds } = thresholds.seriesCeilingReached;
  const held = duration(forSeconds);
  const graph = `${series('telemetrySeries', '')} / (${series('telemetrySeriesLimit', '')} > 0)`;
  return {
    alert: 'SeriesCeilingReached',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: '{{ $labels.job }} has too many series',
        description: `{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the series it may export, above ${percent(above)} for more than ${held}; beyond the ceiling measurements are refused.`,
      },
      zh: {
        summary: '{{ $labels.job }} 的序列数接近上限',
        description: `{{ $labels.instance }} 已用去序列上限的 {{ $value | humanizePercentage }}，超过 ${percent(above)} 已达 ${inChinese(held)}；达到上限后新的测量会被拒绝。`,
      },
    },
  };
}

function telemetryDropping({ thresholds, duration }: RuleContext): Alert {
  const { above, windowSeconds, forSeconds } = thresholds.telemetryDropping;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const lost = (metric: MetricKey, where: string): string =>
    `(${rate(metric, { where, by: ['job', 'instance'], window })} > ${above})`;
  const spans = lost('otelSdkProcessorSpanProcessed', 'error_type!=""');
  const graph = `${spans} or ${lost('telemetrySeriesRefused', '')}`;
  return {
    alert: 'TelemetryDropping',
    expr: graph,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: '{{ $labels.job }} loses telemetry',
        description: `{{ $labels.instance }} drops {{ $value | printf "%.2f" }} spans or measurements a second over ${window}, for more than ${held}.`,
      },
      zh: {
        summary: '{{ $labels.job }} 正在丢失遥测数据',
        description: `{{ $labels.instance }} 最近 ${inChinese(window)}每秒丢弃 {{ $value | printf "%.2f" }} 个 span 或测量值，已持续 ${inChinese(held)}。`,
      },
    },
  };
}
