/** Words in place of the label values in the names of series: `rejected queue_full` → `rejected: queue full`. */
import type { Text } from '../../../../otel/text.ts';

export const legendWords: Record<string, Text> = {
  // Tokens and copied prefixes.
  input: { en: 'prefilled', zh: '预填充' },
  cached_input: { en: 'cached', zh: '缓存命中' },
  output: { en: 'generated', zh: '生成' },
  sequence: { en: 'from a sequence', zh: '来自其他槽位' },
  cache: { en: 'from the cache', zh: '来自缓存' },
  evictions: { en: 'evictions', zh: '淘汰' },
  // Phases.
  tokenize: { en: 'tokenize', zh: '分词' },
  queue: { en: 'queue', zh: '排队' },
  prefill: { en: 'prefill', zh: '预填充' },
  decode: { en: 'decode', zh: '解码' },
  // Outcomes and reasons.
  completed: { en: 'completed', zh: '完成' },
  cancelled: { en: 'cancelled:', zh: '已取消：' },
  rejected: { en: 'rejected:', zh: '被拒绝：' },
  failed: { en: 'failed:', zh: '失败：' },
  stop: { en: 'stop', zh: '正常结束' },
  length: { en: 'max tokens', zh: '达到 token 上限' },
  tool_calls: { en: 'tool calls', zh: '工具调用' },
  client_gone: { en: 'client gone', zh: '客户端断开' },
  deadline: { en: 'deadline', zh: '生成超时' },
  shutdown: { en: 'shutdown', zh: '服务关闭' },
  bad_request: { en: 'invalid request', zh: '请求无效' },
  context_overflow: { en: 'context overflow', zh: '超出上下文' },
  model_not_found: { en: 'model not found', zh: '模型不存在' },
  not_ready: { en: 'not ready', zh: '未就绪' },
  queue_full: { en: 'queue full', zh: '队列已满' },
  queue_timeout: { en: 'queue timeout', zh: '排队超时' },
  too_large: { en: 'too large', zh: '请求过大' },
  unauthorized: { en: 'unauthorized', zh: '未授权' },
  engine_error: { en: 'engine error', zh: '引擎错误' },
  engine_exit: { en: 'engine exit', zh: '引擎退出' },
  internal_error: { en: 'internal error', zh: '内部错误' },
  // Streams.
  done: { en: 'done', zh: '正常结束' },
  error_frame: { en: 'error event', zh: '错误事件' },
  stalled: { en: 'stalled', zh: '停滞' },
  broken: { en: 'broken off', zh: '中途断开' },
  // Processes.
  api: { en: 'API', zh: 'API' },
  engine: { en: 'engine', zh: '引擎' },
  user: { en: 'user', zh: '用户态' },
  system: { en: 'system', zh: '内核态' },
  idle: { en: 'idle', zh: '空闲' },
  nice: { en: 'low priority', zh: '低优先级' },
  interrupt: { en: 'interrupts', zh: '中断' },
  iowait: { en: 'I/O wait', zh: 'I/O 等待' },
  // Capacity.
  limit: { en: 'limit', zh: '上限' },
  waiting: { en: 'waiting', zh: '排队中' },
  active: { en: 'active', zh: '进行中' },
  mean: { en: 'mean', zh: '平均' },
  max: { en: 'max', zh: '最大' },
  quantile: { en: 'quantile', zh: '分位数' },
  cached: { en: 'cached', zh: '缓存命中' },
  series: { en: 'series', zh: '时间序列' },
  OTLPExporterError: { en: '(collector error)', zh: '（Collector 错误）' },
  Error: { en: '(no collector)', zh: '（Collector 无响应）' },
  // SLOs, alerts and their delivery.
  availability: { en: 'availability', zh: '可用性' },
  latency: { en: 'latency', zh: '首 token 延迟' },
  firing: { en: 'firing', zh: '告警中' },
  pending: { en: 'pending', zh: '待触发' },
  sent: { en: 'sent', zh: '已发送' },
  dropped: { en: 'dropped', zh: '已丢弃' },
  delivered: { en: 'delivered', zh: '已送达' },
  retried: { en: 'will be retried', zh: '将重试' },
  dead: { en: 'given up', zh: '已放弃' },
  webhook: { en: 'webhook', zh: 'webhook' },
  email: { en: 'email', zh: '邮件' },
  notifier: { en: 'notifier', zh: '通知服务' },
  prometheus: { en: 'Prometheus', zh: 'Prometheus' },
  alertmanager: { en: 'Alertmanager', zh: 'Alertmanager' },
  'qwen-instruct': { en: 'chat service', zh: '对话服务' },
};

/** Names that are sentences, not label values side by side. */
const wholeNames: Record<string, Text> = {
  'in use': { en: 'in use', zh: '已使用' },
  'tokens per CPU second': { en: 'tokens per CPU second', zh: '每 CPU 秒 token 数' },
};

/** The name of a series in words. Addresses, models and other free values stay. */
export function nameInWords(legend: string, pick: (text: Text) => string): string {
  const whole = wholeNames[legend];
  if (whole !== undefined) return pick(whole);
  return legend
    .split(' ')
    .map((word) => (legendWords[word] === undefined ? word : pick(legendWords[word])))
    .join(' ')
    .replace(/[:：]$/, '')
    .replace('： ', '：');
}
