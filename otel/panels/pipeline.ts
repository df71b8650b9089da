/** The watchers watched: scrapes, rules, and what telemetry itself costs and loses. */
import { jobs } from '../names.ts';
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { increase, percentiles, series } from '../promql.ts';

/** Our two processes. */
const ours = `job=~"${jobs.chat}|${jobs.notifier}"`;

export const targetsUp: Panel = {
  id: 'targets-up',
  title: { en: 'Targets', zh: '采集目标' },
  meaning: { en: 'What Prometheus can scrape.', zh: 'Prometheus 能否抓取各个目标。' },
  kind: 'stat',
  unit: '{target}',
  queries: [{ expr: 'min by (job) (up)', legend: '{{job}}' }],
  idle: 'value',
  thresholds: { red: 0.5, when: 'below' },
  whenRed: {
    en: 'make status says what runs, make logs why it does not.',
    zh: 'make status 显示哪些在运行，make logs 说明原因。',
    runbook: 'TargetDown',
  },
  words: { '0': { en: 'down', zh: '不可用' }, '1': { en: 'up', zh: '正常' } },
};

export const scrapeTime: Panel = {
  id: 'scrape-time',
  title: { en: 'Scrape duration', zh: '抓取耗时' },
  meaning: {
    en: 'How long each target takes to answer; past the interval samples are lost.',
    zh: '每个目标响应一次抓取的时间；超过间隔就会丢失样本。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: [{ expr: 'scrape_duration_seconds', legend: '{{job}} {{instance}}' }],
  idle: 'value',
  thresholds: { red: defaultThresholds.scrapeSlow.above, when: 'above' },
  whenRed: {
    en: 'See Series against their ceiling, and the CPU of the machine.',
    zh: '查看“序列数与上限”和整机 CPU。',
    runbook: 'ScrapeSlow',
  },
};

export const scrapeSamples: Panel = {
  id: 'scrape-samples',
  title: { en: 'Samples a scrape', zh: '每次抓取的样本数' },
  meaning: {
    en: 'How much each target tells; a fall to nothing is a scrape that is 200 and empty.',
    zh: '每个目标返回多少样本；降到零说明抓取成功但内容为空。',
  },
  kind: 'timeseries',
  unit: '{sample}',
  queries: [{ expr: 'scrape_samples_scraped', legend: '{{job}} {{instance}}' }],
  idle: 'value',
};

export const telemetrySeries: Panel = {
  id: 'telemetry-series',
  title: { en: 'Series against their ceiling', zh: '序列数与上限' },
  meaning: {
    en: 'Attribute sets that each process exports, and the most it may.',
    zh: '每个进程导出的属性组合数及其上限。',
  },
  kind: 'timeseries',
  unit: '{series}',
  queries: [
    { expr: series('telemetrySeries', ours), legend: '{{job}} {{instance}}' },
    { expr: `max(${series('telemetrySeriesLimit', ours)})`, legend: 'limit' },
  ],
  idle: 'value',
};

export const telemetryCost: Panel = {
  id: 'telemetry-cost',
  title: { en: 'Cost of a scrape', zh: '一次抓取的开销' },
  meaning: {
    en: 'What collecting and writing one scrape takes from the process that serves.',
    zh: '服务进程收集并输出一次抓取所花的时间。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: percentiles('telemetryScrapeDuration', { where: ours, quantiles: [0.5, 0.99] }),
  idle: 'value',
};

export const telemetryLost: Panel = {
  id: 'telemetry-lost',
  title: { en: 'Telemetry lost', zh: '丢失的遥测' },
  meaning: {
    en: 'Spans that no collector got and measurements over the ceiling, in five minutes.',
    zh: '五分钟内未送达的 span 和超出上限的测量。',
  },
  kind: 'stacked',
  unit: '{loss}',
  queries: [
    {
      expr: increase('otelSdkProcessorSpanProcessed', {
        where: `${ours}, error_type!=""`,
        by: ['job', 'errorType'],
      }),
      legend: '{{job}} spans {{error_type}}',
    },
    {
      expr: increase('telemetrySeriesRefused', { where: ours, by: ['job'] }),
      legend: '{{job}} measurements refused',
    },
  ],
  idle: 'zero',
  thresholds: { red: 1, when: 'above' },
  whenRed: {
    en: 'The collector does not answer, or too many label values were made.',
    zh: '采集端没有响应，或标签取值过多。',
    runbook: 'TelemetryDropping',
  },
};

export const ruleTime: Panel = {
  id: 'rule-time',
  title: { en: 'Rule evaluation', zh: '规则计算耗时' },
  meaning: {
    en: 'How long each group of rules takes; past its interval alerts come late.',
    zh: '每组规则的计算时间；超过间隔告警就会延迟。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: [
    {
      expr: 'sum by (rule_group) (prometheus_rule_group_last_duration_seconds)',
      legend: '{{rule_group}}',
    },
  ],
  idle: 'value',
};

export const ruleFailures: Panel = {
  id: 'rule-failures',
  title: { en: 'Rules that fail', zh: '失败的规则' },
  meaning: {
    en: 'Evaluations of five minutes that ended in an error: such an alert is blind.',
    zh: '五分钟内出错的规则计算：对应的告警是瞎的。',
  },
  kind: 'timeseries',
  unit: '{evaluation}',
  queries: [
    {
      expr: 'sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m]))',
      legend: '{{rule_group}}',
    },
  ],
  idle: 'zero',
  thresholds: { red: 1, when: 'above' },
  whenRed: {
    en: 'The log of Prometheus names the rule and the error.',
    zh: 'Prometheus 的日志写明了规则和错误。',
    runbook: 'RuleEvaluationFailing',
  },
};

export const storedSeries: Panel = {
  id: 'stored-series',
  title: { en: 'Series in Prometheus', zh: 'Prometheus 中的序列' },
  meaning: { en: 'What Prometheus keeps in memory.', zh: 'Prometheus 内存中的序列数。' },
  kind: 'timeseries',
  unit: '{series}',
  queries: [{ expr: 'sum(prometheus_tsdb_head_series)', legend: 'series' }],
  idle: 'value',
};
