/** Health of the monitoring itself: scrapes, rules, cost of telemetry, lost telemetry. */
import { jobs } from '../names.ts';
import { definePanels } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { counted, percentiles, series } from '../promql.ts';

/** Matcher of the chat service and the notifier. */
const ours = `job=~"${jobs.chat}|${jobs.notifier}"`;
/** Matchers of all jobs and of Prometheus: the Prometheus of a cluster also scrapes other programs, itself too under another job. */
const all = `{job=~"${Object.values(jobs).join('|')}"}`;
const prometheus = `{job="${jobs.prometheus}"}`;

export const pipeline = definePanels({
  targetsUp: {
    title: { en: 'Targets', zh: '抓取目标' },
    meaning: { en: 'Whether Prometheus can scrape each job.', zh: 'Prometheus 能否抓取各个 job。' },
    kind: 'stat',
    unit: '{target}',
    queries: { '{{job}}': `min by (job) (up${all})` },
    idle: 'value',
    thresholds: { red: 0.5, when: 'below' },
    whenRed: {
      en: 'make status shows which processes run, make logs shows why one stopped.',
      zh: 'make status 显示哪些进程在运行，make logs 显示进程退出的原因。',
      runbook: 'TargetDown',
    },
    words: { '0': { en: 'down', zh: '不可用' }, '1': { en: 'up', zh: '正常' } },
  },
  scrapeTime: {
    title: { en: 'Scrape duration', zh: '抓取耗时' },
    meaning: {
      en: 'Time that each target takes for a scrape. Samples are lost beyond the scrape interval.',
      zh: '各目标一次抓取的耗时。超过抓取间隔会丢失样本。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: { '{{job}} {{instance}}': `scrape_duration_seconds${all}` },
    idle: 'value',
    thresholds: { red: defaultThresholds.scrapeSlow.above, when: 'above' },
    whenRed: {
      en: 'Check the panels Series and their limit and CPU of the machine.',
      zh: '查看“时间序列数与上限”和“整机 CPU”面板。',
      runbook: 'ScrapeSlow',
    },
  },
  scrapeSamples: {
    title: { en: 'Samples per scrape', zh: '每次抓取的样本数' },
    meaning: {
      en: 'Samples that each target returns. A drop to 0 is a scrape with status 200 and no content.',
      zh: '各目标返回的样本数。降到 0 说明抓取成功但内容为空。',
    },
    kind: 'timeseries',
    unit: '{sample}',
    queries: { '{{job}} {{instance}}': `scrape_samples_scraped${all}` },
    idle: 'value',
  },
  telemetrySeries: {
    title: { en: 'Series and their limit', zh: '时间序列数与上限' },
    meaning: {
      en: 'Series that each process exports, and the limit.',
      zh: '各进程导出的时间序列数及上限。',
    },
    kind: 'timeseries',
    unit: '{series}',
    queries: {
      '{{job}} {{instance}}': series('telemetrySeries', ours),
      limit: `max(${series('telemetrySeriesLimit', ours)})`,
    },
    idle: 'value',
  },
  telemetryCost: {
    title: { en: 'Cost of a scrape', zh: '一次抓取的开销' },
    meaning: {
      en: 'Time that a process spends to collect and write one scrape.',
      zh: '进程收集并输出一次指标的耗时。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('telemetryScrapeDuration', { where: ours, quantiles: [0.5, 0.99] }),
    idle: 'value',
  },
  telemetryLost: {
    title: { en: 'Lost telemetry', zh: '遥测数据丢失' },
    meaning: {
      en: 'Spans not delivered to the collector or not stored, and measurements beyond the series limit, over 5 minutes.',
      zh: '最近 5 分钟未送达 Collector 或未能保存的 span，以及超出时间序列上限的测量值。',
    },
    kind: 'stacked',
    unit: '{loss}',
    queries: {
      '{{job}} spans {{error_type}}': counted(
        series('otelSdkProcessorSpanProcessed', `${ours}, error_type!=""`),
        { by: ['job', 'errorType'] },
      ),
      '{{job}} measurements refused': counted(series('telemetrySeriesRefused', ours), {
        by: ['job'],
      }),
      '{{job}} spans not stored': counted(series('telemetrySpansLost', ours), { by: ['job'] }),
      '{{job}} log lines lost': counted(series('telemetryLogLinesLost', ours), { by: ['job'] }),
    },
    idle: 'zero',
    thresholds: { red: 1, when: 'above' },
    whenRed: {
      en: 'The collector does not answer, the disk is full or slow, or labels have too many values.',
      zh: 'Collector 无响应、磁盘已满或过慢，或标签值过多（基数过高）。',
      runbook: 'TelemetryDropping',
    },
  },
  ruleTime: {
    title: { en: 'Rule evaluation', zh: '规则评估耗时' },
    meaning: {
      en: 'Time that each rule group takes. Alerts are late beyond the evaluation interval.',
      zh: '各规则组的评估耗时。超过评估间隔，告警会延迟。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: {
      '{{rule_group}}': `sum by (rule_group) (prometheus_rule_group_last_duration_seconds${prometheus})`,
    },
    idle: 'value',
  },
  ruleFailures: {
    title: { en: 'Failed rules', zh: '评估失败的规则' },
    meaning: {
      en: 'Failed rule evaluations over 5 minutes. Alerts of that group cannot fire.',
      zh: '最近 5 分钟评估失败的规则数。对应的告警已失效，不会触发。',
    },
    kind: 'timeseries',
    unit: '{evaluation}',
    queries: {
      '{{rule_group}}': counted(`prometheus_rule_evaluation_failures_total${prometheus}`, {
        by: ['rule_group'],
      }),
    },
    idle: 'zero',
    thresholds: { red: 1, when: 'above' },
    whenRed: {
      en: 'The log of Prometheus names the rule and the error.',
      zh: 'Prometheus 的日志中有规则名和错误信息。',
      runbook: 'RuleEvaluationFailing',
    },
  },
  storedSeries: {
    title: { en: 'Series in Prometheus', zh: 'Prometheus 时间序列数' },
    meaning: {
      en: 'Series that Prometheus keeps in memory.',
      zh: 'Prometheus 内存中的时间序列数。',
    },
    kind: 'timeseries',
    unit: '{series}',
    queries: { series: `sum(prometheus_tsdb_head_series${prometheus})` },
    idle: 'value',
  },
});
