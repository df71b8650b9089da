/** The dashboard of the article, over its own metric names, which `alerting/rules/seed-names.ts` records. */
import { definePanels } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { ratioTexts } from '../outcomes.ts';
import { counted, selectedChat } from '../promql.ts';

/** The same recorded rates as the availability SLO, of the selected instances. */
const available = `${selectedChat}, slo="availability"`;

export const monitor = definePanels({
  totalRequests: {
    title: { en: 'Total requests, last hour', zh: '总请求数（最近 1 小时）' },
    meaning: {
      en: 'Generation requests in the last hour.',
      zh: '最近 1 小时的生成请求数。',
    },
    kind: 'stat',
    unit: '{request}',
    queries: counted(`http_requests_total{${selectedChat}}`, { window: '1h' }),
    idle: 'zero',
  },
  successRatio: {
    title: { en: 'Success ratio', zh: '成功率' },
    meaning: {
      en: `Over 5 minutes. ${ratioTexts.availability.en}`,
      zh: `最近 5 分钟。${ratioTexts.availability.zh}`,
    },
    kind: 'stat',
    unit: '1',
    queries: `1 - sum(instance:slo_errors:rate5m{${available}}) / (sum(instance:slo_requests:rate5m{${available}}) > 0)`,
    idle: 'nothing',
    thresholds: {
      red: 1 - defaultThresholds.highErrorRate.above,
      orange: defaultThresholds.slo.objective,
      when: 'below',
    },
    whenRed: {
      en: 'Find the growing reason in the panel Rejections and failures.',
      zh: '在“拒绝与失败”面板中查看哪个原因在增长。',
      runbook: 'ChatErrorBudgetBurn',
    },
  },
  latencyP99: {
    title: { en: 'P99 latency', zh: 'P99 延迟' },
    meaning: {
      en: 'P99 of the request duration over 5 minutes, from the first byte in to the last byte out.',
      zh: '最近 5 分钟请求延迟的 P99（从收到首字节到发出末字节）。',
    },
    kind: 'stat',
    unit: 's',
    queries: `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${selectedChat}}[5m])) by (le)) >= 0`,
    idle: 'nothing',
    thresholds: { red: defaultThresholds.highLatency.above, orange: 2.5, when: 'above' },
    whenRed: {
      en: 'Long answers raise it too: compare with the time to first token.',
      zh: '长回答也会使其升高：请对比首 token 延迟。',
      runbook: 'HighLatency',
    },
  },
  latencyHeatmap: {
    title: { en: 'Request latency', zh: '请求延迟分布' },
    meaning: {
      en: 'Distribution of the request duration over time. Two bands usually are two kinds of requests.',
      zh: '请求延迟随时间的分布。出现两条色带，通常说明有两类请求。',
    },
    kind: 'heatmap',
    unit: 's',
    queries: {
      '{{le}}': `sum by (le) (rate(http_request_duration_seconds_bucket{${selectedChat}}[5m]))`,
    },
    idle: 'zero',
  },
  inferenceTime: {
    title: { en: 'Inference time', zh: '推理耗时趋势' },
    meaning: {
      en: 'Time that the model takes for an answer, without queue and network.',
      zh: '模型生成一次回答的耗时，不含排队与网络。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: {
      mean: `sum(rate(model_inference_duration_seconds_sum{${selectedChat}}[5m])) / (sum(rate(model_inference_duration_seconds_count{${selectedChat}}[5m])) > 0)`,
      'quantile {{quantile}}': `max by (quantile) (model_inference_duration_seconds{${selectedChat}})`,
    },
    idle: 'nothing',
  },
  cpu: {
    title: { en: 'CPU', zh: 'CPU 使用率' },
    meaning: {
      en: 'CPU of API and engine processes together; 100% is one core.',
      zh: 'API 与引擎进程的 CPU 使用率合计；100% 为一个核。',
    },
    kind: 'timeseries',
    unit: '1',
    queries: { '{{instance}}': `rate(process_cpu_seconds_total{${selectedChat}}[5m])` },
    idle: 'value',
  },
  memory: {
    title: { en: 'Memory', zh: '内存占用' },
    meaning: {
      en: 'Resident memory of API and engine processes together. The engine holds the model.',
      zh: 'API 与引擎进程的常驻内存合计。模型在引擎进程中。',
    },
    kind: 'timeseries',
    unit: 'By',
    queries: { '{{instance}}': `process_resident_memory_bytes{${selectedChat}}` },
    idle: 'value',
  },
  activeConnections: {
    title: { en: 'Active connections', zh: '活跃连接数' },
    meaning: {
      en: 'Requests in flight, open streams included.',
      zh: '正在处理的请求数，包括未结束的流式响应。',
    },
    kind: 'timeseries',
    unit: '{request}',
    queries: { '{{instance}}': `active_connections{${selectedChat}}` },
    idle: 'zero',
  },
});
