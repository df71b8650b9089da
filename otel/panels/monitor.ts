/** The dashboard that the article asks for, over the article's own names, which `alerting/generated/seed-names.yml` records. */
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { selectedChat } from '../promql.ts';

export const totalRequests: Panel = {
  id: 'total-requests',
  title: { en: 'Total requests, last hour', zh: '总请求数（最近一小时）' },
  meaning: {
    en: 'How many generations people asked for in the last hour.',
    zh: '最近一小时内用户发起了多少次生成请求。',
  },
  kind: 'stat',
  unit: '{request}',
  queries: [{ expr: `sum(increase(http_requests_total{${selectedChat}}[1h]))`, legend: '' }],
  idle: 'zero',
};

export const successRatio: Panel = {
  id: 'success-ratio',
  title: { en: 'Success ratio', zh: '成功率' },
  meaning: {
    en: 'The share of requests of the last five minutes that did not end in a 5xx.',
    zh: '最近五分钟内没有以 5xx 结束的请求所占比例。',
  },
  kind: 'stat',
  unit: '1',
  queries: [
    {
      expr: `1 - sum(rate(http_requests_total{${selectedChat}, status_code=~"5.."}[5m])) / (sum(rate(http_requests_total{${selectedChat}}[5m])) > 0)`,
      legend: '',
    },
  ],
  idle: 'nothing',
  thresholds: {
    red: 1 - defaultThresholds.highErrorRate.above,
    orange: defaultThresholds.slo.objective,
    when: 'below',
  },
  whenRed: {
    en: 'See which reason grows under Refusals and failures.',
    zh: '查看“拒绝与失败”面板中哪个原因在增长。',
    runbook: 'HighErrorRate',
  },
};

export const latencyP99: Panel = {
  id: 'latency-p99',
  title: { en: 'P99 latency', zh: 'P99 延迟' },
  meaning: {
    en: 'The slowest 1 % of requests took at least this long, first byte in to last byte out.',
    zh: '最慢的 1% 请求至少用了这么久（从请求首字节到回答末字节）。',
  },
  kind: 'stat',
  unit: 's',
  queries: [
    {
      expr: `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${selectedChat}}[5m])) by (le)) >= 0`,
      legend: '',
    },
  ],
  idle: 'nothing',
  thresholds: { red: defaultThresholds.highLatency.above, orange: 2.5, when: 'above' },
  whenRed: {
    en: 'Long answers trip it too: compare with the time to first token.',
    zh: '长回答也会触发：请对比首个 token 时间。',
    runbook: 'HighLatency',
  },
};

export const latencyHeatmap: Panel = {
  id: 'latency-heatmap',
  title: { en: 'Request latency', zh: '请求延迟分布' },
  meaning: {
    en: 'How long requests take, as a distribution over time: two bands are two kinds of use.',
    zh: '请求耗时随时间的分布：两条带意味着两类使用方式。',
  },
  kind: 'heatmap',
  unit: 's',
  queries: [
    {
      expr: `sum by (le) (rate(http_request_duration_seconds_bucket{${selectedChat}}[5m]))`,
      legend: '{{le}}',
    },
  ],
  idle: 'zero',
};

export const inferenceTime: Panel = {
  id: 'inference-time',
  title: { en: 'Inference time', zh: '推理耗时趋势' },
  meaning: {
    en: 'What the model alone needs for an answer, without queue and network.',
    zh: '模型本身生成一次回答的耗时，不含排队与网络。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: [
    {
      expr: `sum(rate(model_inference_duration_seconds_sum{${selectedChat}}[5m])) / (sum(rate(model_inference_duration_seconds_count{${selectedChat}}[5m])) > 0)`,
      legend: 'mean',
    },
    {
      expr: `max by (quantile) (model_inference_duration_seconds{${selectedChat}})`,
      legend: 'quantile {{quantile}}',
    },
  ],
  idle: 'nothing',
};

export const cpu: Panel = {
  id: 'cpu',
  title: { en: 'CPU', zh: 'CPU 使用率' },
  meaning: {
    en: 'CPU of API and engine together; 100 % is one core.',
    zh: 'API 与引擎进程合计的 CPU；100% 为一个核。',
  },
  kind: 'timeseries',
  unit: '1',
  queries: [
    { expr: `rate(process_cpu_seconds_total{${selectedChat}}[5m])`, legend: '{{instance}}' },
  ],
  idle: 'value',
};

export const memory: Panel = {
  id: 'memory',
  title: { en: 'Memory', zh: '内存占用' },
  meaning: {
    en: 'Resident memory of API and engine together; the model lives in the engine.',
    zh: 'API 与引擎进程合计的常驻内存；模型在引擎进程中。',
  },
  kind: 'timeseries',
  unit: 'By',
  queries: [{ expr: `process_resident_memory_bytes{${selectedChat}}`, legend: '{{instance}}' }],
  idle: 'value',
};

export const activeConnections: Panel = {
  id: 'active-connections',
  title: { en: 'Active connections', zh: '活跃连接数' },
  meaning: {
    en: 'Requests in flight, open streams included.',
    zh: '正在处理的请求数，包括未结束的流。',
  },
  kind: 'timeseries',
  unit: '{request}',
  queries: [{ expr: `active_connections{${selectedChat}}`, legend: '{{instance}}' }],
  idle: 'zero',
};
