/** What limits the service: the queue, the context, the cache, and how requests and streams end. */
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { increase, meanRate, percentiles, rate, selectedChat, series, sum } from '../promql.ts';

export const queueDepth: Panel = {
  id: 'queue-depth',
  title: { en: 'Queue', zh: '排队' },
  meaning: {
    en: 'Requests that wait for a sequence, and the most that may.',
    zh: '等待序列的请求数及其上限。',
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
  title: { en: 'Wait in the queue', zh: '排队等待' },
  meaning: {
    en: 'How long requests wait for a sequence, then for the prompts that are read before theirs.',
    zh: '请求等待序列、再等排在前面的提示词读完的时间。',
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
    en: 'KV cells in use, and how many there are.',
    zh: '已使用的 KV 单元数和总数。',
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
  title: { en: 'Prompt tokens from the cache', zh: '提示词缓存命中率' },
  meaning: {
    en: 'The share of prompt tokens that did not have to be evaluated again.',
    zh: '无需重新计算的提示词 token 所占比例。',
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
    en: 'Why completed answers ended: the model was done, or max_tokens was.',
    zh: '已完成回答的结束原因：模型说完了，或达到 max_tokens。',
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
  title: { en: 'Refusals and failures', zh: '拒绝与失败' },
  meaning: {
    en: 'Requests of five minutes that got no answer, by reason.',
    zh: '五分钟内没有得到回答的请求，按原因分类。',
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
  title: { en: 'Stream endings', zh: '流的结束方式' },
  meaning: {
    en: 'How streams ended, as the client saw it.',
    zh: '从客户端看，流是如何结束的。',
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
    en: 'API and engine apart, user and system; 100 % is one core.',
    zh: 'API 与引擎分开，用户态与内核态；100% 为一个核。',
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
    en: 'Resident memory of API and engine.',
    zh: 'API 与引擎各自的常驻内存。',
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
    en: 'How long the API process cannot listen: streams of all clients stutter with it.',
    zh: 'API 进程无法响应的时间：所有客户端的流都会随之卡顿。',
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
    en: 'Something blocks the API process: a scrape of too many series, or a huge body.',
    zh: '有操作阻塞了 API 进程：序列过多的抓取，或过大的请求体。',
    runbook: 'EventLoopDelayHigh',
  },
};

export const hostCpu: Panel = {
  id: 'host-cpu',
  title: { en: 'CPU of the machine', zh: '整机 CPU' },
  meaning: {
    en: 'What everything on the machine takes, by mode, summed over its cores; the mean of several machines.',
    zh: '机器上所有进程的 CPU 占用，按模式分类，各核相加；多台机器时取平均。',
  },
  kind: 'stacked',
  unit: '1',
  // Replicas on one machine each tell the whole of it: a sum would count it as often.
  queries: [{ expr: meanRate('systemCpuTime', { by: ['cpuMode'] }), legend: '{{cpu_mode}}' }],
  idle: 'value',
};
