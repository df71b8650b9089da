/** Capacity of the service: queue, context, prefix cache, processes; and how requests and streams end. */
import { definePanels } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { counted, meanRate, percentiles, rate, selectedChat, series, sum } from '../promql.ts';

const prompt = `${selectedChat}, type=~"input|cached_input"`;

export const service = definePanels({
  queueDepth: {
    title: { en: 'Queue', zh: '队列' },
    meaning: {
      en: 'Requests that wait for a sequence, and the limit.',
      zh: '等待并发槽位的请求数及上限。',
    },
    kind: 'timeseries',
    unit: '{request}',
    queries: { waiting: sum('inferenceQueueDepth'), limit: sum('inferenceQueueLimit') },
    idle: 'value',
  },
  queueTime: {
    title: { en: 'Queue time', zh: '排队时间' },
    meaning: {
      en: 'Time from entering the queue to a free sequence.',
      zh: '从入队到分配到并发槽位的等待时间。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('inferenceQueueDuration'),
    idle: 'nothing',
  },
  contextTokens: {
    title: { en: 'Context', zh: '上下文' },
    meaning: {
      en: 'Cells of the KV cache in use, and the limit.',
      zh: '已使用的 KV cache 单元数及上限。',
    },
    kind: 'timeseries',
    unit: '{token}',
    queries: { 'in use': sum('inferenceContextTokens'), limit: sum('inferenceContextLimit') },
    idle: 'value',
  },
  prefixCopies: {
    title: { en: 'Copied prefixes', zh: '前缀复制次数' },
    meaning: {
      en: 'Prompts that started from the KV cache of another sequence or of a kept conversation, and evictions.',
      zh: '复用其他槽位或已保留会话的 KV cache 的提示词数，以及缓存淘汰数。',
    },
    kind: 'timeseries',
    unit: '{copy}/s',
    queries: {
      '{{type}}': rate('inferencePrefixCopies', { by: ['type'] }),
      evictions: rate('inferencePrefixEvictions'),
    },
    idle: 'zero',
  },

  cacheHits: {
    title: { en: 'Prefix cache hit ratio', zh: '前缀缓存命中率' },
    meaning: {
      en: 'Share of prompt tokens that the prefix cache saved from prefill.',
      zh: '命中前缀缓存、无需预填充的提示词 token 比例。',
    },
    kind: 'timeseries',
    unit: '1',
    queries: {
      cached: `${rate('inferenceTokens', { where: `${selectedChat}, type="cached_input"` })} / (${rate('inferenceTokens', { where: prompt })} > 0)`,
    },
    idle: 'nothing',
  },
  finishReasons: {
    title: { en: 'Finish reasons', zh: '结束原因' },
    meaning: {
      en: 'Why completed answers ended, for example stop, or length for max_tokens.',
      zh: '已完成回答的结束原因，例如正常结束（stop）或达到 max_tokens（length）。',
    },
    kind: 'stacked',
    unit: '{request}/s',
    queries: {
      '{{reason}}': rate('inferenceRequests', {
        where: `${selectedChat}, outcome="completed"`,
        by: ['reason'],
      }),
    },
    idle: 'zero',
  },
  refusals: {
    title: { en: 'Rejections and failures', zh: '拒绝与失败' },
    meaning: {
      en: 'Requests over 5 minutes without a complete answer, by reason.',
      zh: '最近 5 分钟未得到完整回答的请求，按原因分类。',
    },
    kind: 'stacked',
    unit: '{request}',
    queries: {
      '{{outcome}} {{reason}}': counted(
        series('inferenceRequests', `${selectedChat}, outcome!="completed"`),
        { by: ['outcome', 'reason'] },
      ),
    },
    idle: 'zero',
  },
  streamEndings: {
    title: { en: 'Stream endings', zh: '流式响应的结束方式' },
    meaning: {
      en: 'How streams ended for the client.',
      zh: '客户端看到的流式响应结束方式。',
    },
    kind: 'stacked',
    unit: '{stream}/s',
    queries: { '{{how}}': rate('inferenceStreamTerminations', { by: ['how'] }) },
    idle: 'zero',
  },
  cpuByRole: {
    title: { en: 'CPU by process', zh: '各进程 CPU' },
    meaning: {
      en: 'CPU of each process, in user and system mode; 100% is one core.',
      zh: '各进程的用户态与内核态 CPU 使用率；100% 为一个核。',
    },
    kind: 'stacked',
    unit: '1',
    queries: {
      '{{process_role}} {{cpu_mode}}': rate('processCpuTime', {
        by: ['processRole', 'cpuMode'],
      }),
    },
    idle: 'value',
  },
  memoryByRole: {
    title: { en: 'Memory by process', zh: '各进程内存' },
    meaning: {
      en: 'Resident memory of each process.',
      zh: '各进程的常驻内存。',
    },
    kind: 'stacked',
    unit: 'By',
    queries: { '{{process_role}}': sum('processMemoryUsage', { by: ['processRole'] }) },
    idle: 'value',
  },
  eventLoop: {
    title: { en: 'Event loop delay', zh: '事件循环延迟' },
    meaning: {
      en: 'How long the API process blocks; all streams stutter meanwhile.',
      zh: 'API 进程的阻塞时间；期间所有流式响应都会卡顿。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: {
      'P99 {{instance}}': series('nodejsEventloopDelayP99'),
      'max {{instance}}': series('nodejsEventloopDelayMax'),
    },
    idle: 'value',
    thresholds: { red: defaultThresholds.eventLoopDelayHigh.above, when: 'above' },
    whenRed: {
      en: 'A scrape with too many series or a huge body blocks the API process.',
      zh: '抓取的时间序列过多，或请求体过大，阻塞了 API 进程。',
      runbook: 'EventLoopDelayHigh',
    },
  },
  hostCpu: {
    title: { en: 'CPU of the machine', zh: '整机 CPU' },
    meaning: {
      en: 'CPU of all processes on the machine by mode, summed over the cores; averaged over machines.',
      zh: '整机所有进程的 CPU 使用率，按模式分类，各核相加；多台机器时取平均。',
    },
    kind: 'stacked',
    unit: '1',
    // Each replica reports the whole machine, so a sum over replicas would count the machine several times.
    queries: { '{{cpu_mode}}': meanRate('systemCpuTime', { by: ['cpuMode'] }) },
    idle: 'value',
  },
});
