/**
 * Recording and alerting rules as data over `otel/names.ts` and `thresholds.ts`; writes `rules/*.yml`, which Prometheus
 * loads. Run as `node alerting/rules.ts`; the files are committed and a test fails when they drift.
 *
 *   --time-scale N       divides every window and `for` by N, for tests that cannot wait minutes
 *   --out DIR            where to write (alerting/rules)
 *   --runbooks-url URL   where runbook pages are read; the notifier serves them (http://127.0.0.1:8060/runbooks)
 *   --prometheus-url URL where a graph is drawn (http://127.0.0.1:9090)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Document, visit } from 'yaml';
import { attributes, generationRoutes, metrics } from '../otel/names.ts';
import { thresholds } from './thresholds.ts';

export interface RecordingRule {
  record: string;
  expr: string;
  labels?: Record<string, string>;
}

export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface RuleFile {
  /** Written as `<name>.yml`. */
  name: string;
  groups: { name: string; rules: (RecordingRule | AlertRule)[] }[];
}

export interface RuleOptions {
  timeScale?: number;
  runbooksUrl?: string;
  prometheusUrl?: string;
}

type Duration = (seconds: number) => string;

const job = 'qwen-instruct';
const ofJob = `{job="${job}"}`;
const label = (attribute: string): string => attribute.replaceAll('.', '_');
const ofGenerations = `{job="${job}", ${label(attributes.httpRoute)}=~"${generationRoutes.join('|')}"}`;

/** The article's label, and ours that it is read from. */
const endpointLabels = {
  method: label(attributes.httpRequestMethod),
  endpoint: label(attributes.httpRoute),
};
const statusLabels = { ...endpointLabels, status_code: label(attributes.httpResponseStatusCode) };

const perInstance = (metric: string): string => `sum by (job, instance) (${metric}${ofJob})`;

/** One process's count of a generation metric, its labels renamed; `keep` are labels that stay as they are. */
function renamed(metric: string, labels: Record<string, string>, keep: string[] = []): string {
  let source = metric + ofGenerations;
  for (const [to, from] of Object.entries(labels)) {
    source = `label_replace(${source}, "${to}", "$1", "${from}", "(.*)")`;
  }
  return `sum by (${['job', 'instance', ...Object.keys(labels), ...keep].join(', ')}) (${source})`;
}

/**
 * All rule files. `timeScale` divides windows and `for`.
 * @throws RangeError when the time scale is not a number >= 1.
 */
export function ruleFiles({
  timeScale = 1,
  runbooksUrl = 'http://127.0.0.1:8060/runbooks',
  prometheusUrl = 'http://127.0.0.1:9090',
}: RuleOptions = {}): RuleFile[] {
  if (!(timeScale >= 1))
    throw new RangeError(`--time-scale: expected a number >= 1, got ${timeScale}`);
  const duration: Duration = (seconds) => formatDuration(seconds / timeScale);
  const alerts = seedAlerts(duration).map((alert) => withLinks(alert, runbooksUrl, prometheusUrl));
  return [
    { name: 'seed-names', groups: [{ name: 'seed-names', rules: seedNames(duration) }] },
    { name: 'seed-alerts', groups: [{ name: 'qwen-alerts', rules: alerts }] },
  ];
}

/** `300` → `5m`, `2.5` → `2500ms`: the largest unit that stays whole. */
function formatDuration(seconds: number): string {
  if (seconds !== 0 && seconds % 60 === 0) return `${seconds / 60}m`;
  return Number.isInteger(seconds) ? `${seconds}s` : `${Math.ceil(seconds * 1000)}ms`;
}

/** How a Chinese sentence says it: `5m` → `5 分钟`. */
function inChinese(duration: string): string {
  return duration
    .replace(/ms$/, ' 毫秒')
    .replace(/m$/, ' 分钟')
    .replace(/(?<=\d)s$/, ' 秒');
}

/**
 * The six names of the article, read from ours. Each rule keeps job and instance and sums only what one process
 * counts, so that a restart resets the recorded counter as it resets the real one and `rate()` sees it. A sum over
 * instances would turn the restart of one replica into a jump of the others' whole history.
 */
function seedNames(duration: Duration): RecordingRule[] {
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
      expr: `histogram_quantile(${quantile}, sum by (job, instance, le) (rate(${inference}_bucket${ofJob}[${window}]))) >= 0`,
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

interface AlertText {
  summary: string;
  description: string;
}

interface Alert extends Omit<AlertRule, 'annotations'> {
  /** What the linked graph draws: the expression without its bound. */
  graph: string;
  /** The summary holds no number, so that it stays true in a resolved message; the description has the value. */
  text: { en: AlertText; zh: AlertText };
}

/**
 * The article's two alerts, their expressions word for word, and the two without which silence means nothing. The
 * aggregated ones have no labels of their own: a static `job` lets Alertmanager inhibit them.
 */
function seedAlerts(duration: Duration): Alert[] {
  const { highLatency: latency, highErrorRate: errors, targetDown } = thresholds;
  const latencyWindow = duration(latency.windowSeconds);
  const p99 = `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket${ofJob}[${latencyWindow}])) by (le))`;
  const requests = `sum(increase(http_requests_total${ofJob}[${latencyWindow}]))`;
  const errorsWindow = duration(errors.windowSeconds);
  const errorRatio =
    `sum(rate(http_requests_total{job="${job}",status_code=~"5.."}[${errorsWindow}]))` +
    ` / sum(rate(http_requests_total${ofJob}[${errorsWindow}]))`;

  return [
    {
      alert: 'HighLatency',
      expr: `${p99} > ${latency.above} and ${requests} >= ${latency.minimumRequests}`,
      for: duration(latency.forSeconds),
      labels: { severity: 'warning', job },
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
      labels: { severity: 'critical', job },
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

function withLinks(
  { graph, text, ...rule }: Alert,
  runbooksUrl: string,
  prometheusUrl: string,
): AlertRule {
  return {
    ...rule,
    annotations: {
      summary: text.en.summary,
      description: text.en.description,
      summary_zh: text.zh.summary,
      description_zh: text.zh.description,
      runbook_url: `${runbooksUrl}/${rule.alert}`,
      dashboard_url: `${prometheusUrl}/graph?g0.expr=${encodeURIComponent(graph)}&g0.tab=0&g0.range_input=1h`,
    },
  };
}

/** The text of one rule file, as committed. */
export function writeRuleFile({ groups }: RuleFile): string {
  const document = new Document({ groups });
  document.commentBefore = ' Written by `node alerting/rules.ts`; edit that file, not this one.';
  visit(document, {
    Pair(_, pair) {
      // A blank line between rules is what a reader's eye needs; `yaml` writes none by itself.
      const rules = pair.value;
      if (String(pair.key) !== 'rules' || !rules || typeof rules !== 'object') return;
      if (!('items' in rules) || !Array.isArray(rules.items)) return;
      for (const rule of rules.items.slice(1)) rule.spaceBefore = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      'time-scale': { type: 'string', default: '1' },
      out: { type: 'string', default: join(import.meta.dirname, 'rules') },
      'runbooks-url': { type: 'string' },
      'prometheus-url': { type: 'string' },
    },
  });
  mkdirSync(values.out, { recursive: true });
  const files = ruleFiles({
    timeScale: Number(values['time-scale']),
    ...(values['runbooks-url'] && { runbooksUrl: values['runbooks-url'] }),
    ...(values['prometheus-url'] && { prometheusUrl: values['prometheus-url'] }),
  });
  for (const file of files)
    writeFileSync(join(values.out, `${file.name}.yml`), writeRuleFile(file));
}
