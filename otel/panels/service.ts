/** Capacity of the service: queue, context, prefix cache, processes; and how requests and streams end. */
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { increase, meanRate, percentiles, rate, selectedChat, series, sum } from '../promql.ts';

export const queueDepth: Panel = {
  id: 'queue-depth',
  title: { en: 'Queue', zh: '队列' },
  meaning: {
    en: 'Requests that wait for a sequence, and the limit.',
    zh: '等待并发槽位的请求数及上限。',
  },
  kind: 'timeseries',
  unit: '{request}',
  queries: [
    { expr: sum('inferenceQueueDepth'), legend: 'waiting' },
    { expr: sum('inferenceQueueLimit'), legend: 'limit' },
  ],
  idle: 'value',
};

export const queueTime: Panel = {
  id: 'queue-time',
  title: { en: 'Queue time', zh: '排队时间' },
  meaning: {
    en: 'Time from admission to the start of prefill.',
    zh: '从入队到开始预填充的等待时间。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: percentiles('inferenceQueueDuration'),
  idle: 'nothing',
};

export const contextTokens: Panel = {
  id: 'context-tokens',
  title: { en: 'Context', zh: '上下文' },
  meaning: {
    en: 'Cells of the KV cache in use, and the limit.',
    zh: '已使用的 KV cache 单元数及上限。',
  },
  kind: 'timeseries',
  unit: '{token}',
  queries: [
    { expr: sum('inferenceContextTokens'), legend: 'in use' },
    { expr: sum('inferenceContextLimit'), legend: 'limit' },
  ],
  idle: 'value',
};

const prompt = `${selectedChat}, type=~"input|cached_input"`;

export const cacheHits: Panel = {
  id: 'cache-hits',
  title: { en: 'Prefix cache hit ratio', zh: '前缀缓存命中率' },
  meaning: {
    en: 'Share of prompt tokens that the prefix cache saved from prefill.',
    zh: '命中前缀缓存、无需预填充的提示词 token 比例。',
  },
  kind: 'timeseries',
  unit: '1',
  queries: [
    {
      expr: `${rate('inferenceTokens', { where: `${selectedChat}, type="cached_input"` })} / (${rate('inferenceTokens', { where: prompt })} > 0)`,
      legend: 'cached',
    },
  ],
  idle: 'nothing',
};

export const finishReasons: Panel = {
  id: 'finish-reasons',
  title: { en: 'Finish reasons', zh: '结束原因' },
  meaning: {
    en: 'Why completed answers ended, for example stop, or length for max_tokens.',
    zh: '已完成回答的结束原因，例如正常结束（stop）或达到 max_tokens（length）。',
  },
  kind: 'stacked',
  unit: '{request}/s',
  queries: [
    {
      expr: rate('inferenceRequests', {
        where: `${selectedChat}, outcome="completed"`,
        by: ['reason'],
      }),
      legend: '{{reason}}',
    },
  ],
  idle: 'zero',
};

export const refusals: Panel = {
  id: 'refusals',
  title: { en: 'Rejections and failures', zh: '拒绝与失败' },
  meaning: {
    en: 'Requests over 5 minutes without a complete answer, by reason.',
    zh: '最近 5 分钟未得到完整回答的请求，按原因分类。',
  },
  kind: 'stacked',
  unit: '{request}',
  queries: [
    {
      expr: increase('inferenceRequests', {
        where: `${selectedChat}, outcome!="completed"`,
        by: ['outcome', 'reason'],
      }),
      legend: '{{outcome}} {{reason}}',
    },
  ],
  idle: 'zero',
};

export const streamEndings: Panel = {
  id: 'stream-endings',
  title: { en: 'Stream endings', zh: '流式响应的结束方式' },
  meaning: {
    en: 'How streams ended for the client.',
    zh: '流式响应在客户端看来如何结束。',
  },
  kind: 'stacked',
  unit: '{stream}/s',
  queries: [{ expr: rate('inferenceStreamTerminations', { by: ['how'] }), legend: '{{how}}' }],
  idle: 'zero',
};

export const cpuByRole: Panel = {
  id: 'cpu-by-role',
  title: { en: 'CPU by process', zh: '各进程 CPU' },
  meaning: {
    en: 'CPU of each process, in user and system mode; 100% is one core.',
    zh: '各进程的用户态与内核态 CPU 使用率；100% 为一个核。',
  },
  kind: 'stacked',
  unit: '1',
  queries: [
    {
      expr: rate('processCpuTime', { by: ['processRole', 'processCpuMode'] }),
      legend: '{{process_role}} {{process_cpu_mode}}',
    },
  ],
  idle: 'value',
};

export const memoryByRole: Panel = {
  id: 'memory-by-role',
  title: { en: 'Memory by process', zh: '各进程内存' },
  meaning: {
    en: 'Resident memory of each process.',
    zh: '各进程的常驻内存。',
  },
  kind: 'stacked',
  unit: 'By',
  queries: [
    { expr: sum('processMemoryUsage', { by: ['processRole'] }), legend: '{{process_role}}' },
  ],
  idle: 'value',
};

export const eventLoop: Panel = {
  id: 'event-loop',
  title: { en: 'Event loop delay', zh: '事件循环延迟' },
  meaning: {
    en: 'How long the API process blocks; all streams stutter meanwhile.',
    zh: 'API 进程的阻塞时间；期间所有流式响应都会卡顿。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: [
    { expr: series('nodejsEventloopDelayP99'), legend: 'P99 {{instance}}' },
    { expr: series('nodejsEventloopDelayMax'), legend: 'max {{instance}}' },
  ],
  idle: 'value',
  thresholds: { red: defaultThresholds.eventLoopDelayHigh.above, when: 'above' },
  whenRed: {
    en: 'A scrape with too many series or a huge body blocks the API process.',
    zh: '时间序列过多的抓取或过大的请求体阻塞了 API 进程。',
    runbook: 'EventLoopDelayHigh',
  },
};

export const hostCpu: Panel = {
  id: 'host-cpu',
  title: { en: 'CPU of the machine', zh: '整机 CPU' },
  meaning: {
    en: 'CPU of all processes on the machine by mode, summed over the cores; averaged over machines.',
    zh: '整机所有进程的 CPU 使用率，按模式分类，各核相加；多台机器时取平均。',
  },
  kind: 'stacked',
  unit: '1',
  // Replicas on one machine each report all of it, so a sum would count the machine several times.
  queries: [{ expr: meanRate('systemCpuTime', { by: ['cpuMode'] }), legend: '{{cpu_mode}}' }],
  idle: 'value',
};
