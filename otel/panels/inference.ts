/** Phases of a generation, latency for the user, and throughput. */
import { definePanels } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import {
  mean,
  percentiles,
  quantile,
  rate,
  selectedChat,
  ofGenerations,
  selectedModel,
  series,
  sum,
} from '../promql.ts';

const lengths = (type: 'input' | 'output', q: number): string =>
  quantile(q, 'genAiClientTokenUsage', {
    where: `${selectedModel}, ${ofGenerations}, gen_ai_token_type="${type}"`,
  }) + ' >= 0';

export const inference = definePanels({
  ready: {
    title: { en: 'Ready', zh: '就绪' },
    meaning: {
      en: 'Whether all instances accept requests.',
      zh: '是否所有实例都能接受请求。',
    },
    kind: 'stat',
    unit: '{instance}',
    queries: `min(${series('inferenceReady')})`,
    idle: 'value',
    thresholds: { red: 0.5, when: 'below' },
    whenRed: {
      en: 'The engine is loading the model or has failed to: see make status.',
      zh: '引擎正在加载模型，或加载失败：运行 make status 查看。',
      runbook: 'EngineNotReady',
    },
    words: { '0': { en: 'not ready', zh: '未就绪' }, '1': { en: 'ready', zh: '就绪' } },
  },
  model: {
    title: { en: 'Model', zh: '模型' },
    meaning: { en: 'The model that is served.', zh: '正在提供服务的模型。' },
    kind: 'info',
    unit: '{model}',
    queries: {
      '{{gen_ai_request_model}} {{quantization}}': series('inferenceModelInfo', selectedModel),
    },
    idle: 'value',
  },
  sequencesUsed: {
    title: { en: 'Sequences in use', zh: '并发占用率' },
    meaning: {
      en: 'Share of sequences that generate an answer.',
      zh: '并发槽位（sequence）的占用比例。',
    },
    kind: 'gauge',
    unit: '1',
    queries: `sum(${series('inferenceSequencesActive')}) / sum(${series('inferenceSequencesLimit')})`,
    idle: 'zero',
  },
  contextUsed: {
    title: { en: 'Context in use', zh: '上下文占用率' },
    meaning: {
      en: 'Share of the KV cache that holds tokens, cached prefixes included.',
      zh: 'KV cache 的占用比例，包括前缀缓存。',
    },
    kind: 'gauge',
    unit: '1',
    queries: `sum(${series('inferenceContextTokens')}) / sum(${series('inferenceContextLimit')})`,
    idle: 'value',
    thresholds: { red: defaultThresholds.contextSaturated.above, when: 'above' },
    whenRed: {
      en: 'New chats evict cached prefixes. Raise CHAT_CONTEXT if answers end with length.',
      zh: '新对话会挤出前缀缓存。若回答因 length 被截断，请增大 CHAT_CONTEXT。',
      runbook: 'ContextSaturated',
    },
  },
  phases: {
    title: { en: 'Time by phase', zh: '各阶段耗时' },
    meaning: {
      en: 'Mean duration of each phase of a request, stacked.',
      zh: '请求各阶段的平均耗时（堆叠）。',
    },
    kind: 'stacked',
    unit: 's',
    queries: {
      tokenize: mean('inferenceTokenizeDuration'),
      queue: mean('inferenceQueueDuration'),
      prefill: mean('inferencePrefillDuration'),
      decode: mean('inferenceDecodeDuration'),
    },
    idle: 'nothing',
  },
  generationTime: {
    title: { en: 'End-to-end latency', zh: '端到端延迟' },
    meaning: {
      en: 'From admission to the last token, queue included.',
      zh: '从接收请求到最后一个 token 的耗时，包括排队。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('genAiServerRequestDuration', {
      where: `${selectedModel}, ${ofGenerations}`,
    }),
    idle: 'nothing',
  },
  firstToken: {
    title: { en: 'Time to first token', zh: '首 token 延迟' },
    meaning: {
      en: 'Time until the first token of an answer (TTFT), independent of its length.',
      zh: '从接收请求到首 token 的时间（TTFT），与回答长度无关。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('genAiServerTimeToFirstToken', { where: selectedModel }),
    idle: 'nothing',
    thresholds: {
      red: defaultThresholds.timeToFirstTokenHigh.above,
      orange: defaultThresholds.slo.above,
      when: 'above',
    },
    whenRed: {
      en: 'With a full queue add a replica. With an empty one, prompts are long or the CPU is busy.',
      zh: '队列满：增加副本。队列空：提示词过长或 CPU 繁忙。',
      runbook: 'TimeToFirstTokenHigh',
    },
  },
  interToken: {
    title: { en: 'Inter-token latency', zh: 'token 间延迟' },
    meaning: {
      en: 'Gap between two tokens (ITL), one observation per token: shows stutter.',
      zh: '相邻两个 token 的间隔（ITL），反映流式响应是否卡顿。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('inferenceInterTokenDuration'),
    idle: 'nothing',
  },
  perToken: {
    title: { en: 'Time per output token', zh: '每 token 延迟' },
    meaning: {
      en: 'Mean time per token of a whole answer after its first token (TPOT).',
      zh: '首 token 之后平均每个 token 的耗时（TPOT）。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: percentiles('genAiServerTimePerOutputToken', { where: selectedModel }),
    idle: 'nothing',
    thresholds: {
      red: defaultThresholds.timePerOutputTokenHigh.above,
      orange: 0.25,
      when: 'above',
    },
    whenRed: {
      en: 'Another process uses the CPU, or CHAT_THREADS is too high.',
      zh: '其他进程占用 CPU，或 CHAT_THREADS 过大。',
      runbook: 'TimePerOutputTokenHigh',
    },
  },
  tokens: {
    title: { en: 'Throughput', zh: '吞吐' },
    meaning: {
      en: 'Tokens per second: prefilled, reused from the prefix cache, and generated.',
      zh: '每秒预填充、命中前缀缓存和生成的 token 数。',
    },
    kind: 'stacked',
    unit: '{token}/s',
    queries: { '{{type}}': rate('inferenceTokens', { by: ['type'] }) },
    idle: 'zero',
  },
  tokensPerCpuSecond: {
    title: { en: 'Output tokens per CPU second', zh: '每 CPU 秒输出 token 数' },
    meaning: {
      en: 'Tokens that a second of CPU time of the engine yields: the cost of an answer on this machine.',
      zh: '引擎每消耗 1 秒 CPU 时间输出的 token 数，反映本机的推理成本。',
    },
    kind: 'timeseries',
    unit: '{token}/s',
    queries: {
      'tokens per CPU second': `${rate('inferenceTokens', { where: `${selectedChat}, type="output"` })} / (${rate('processCpuTime', { where: `${selectedChat}, process_role="engine"` })} > 0)`,
    },
    idle: 'zero',
  },
  tokenCounts: {
    title: { en: 'Length of prompts and answers', zh: '提示词与回答长度' },
    meaning: {
      en: 'P50 and P95 of both, in tokens.',
      zh: '提示词和回答的 token 数：P50 与 P95。',
    },
    kind: 'timeseries',
    unit: '{token}',
    queries: {
      'input P50': lengths('input', 0.5),
      'input P95': lengths('input', 0.95),
      'output P50': lengths('output', 0.5),
      'output P95': lengths('output', 0.95),
    },
    idle: 'nothing',
  },
  perplexity: {
    title: { en: 'Perplexity', zh: '困惑度' },
    meaning: {
      en: 'Uncertainty of the model about its own answers, for answers with logprobs only; 1 is certain.',
      zh: '模型对自身输出的不确定程度（仅统计返回 logprobs 的回答）；1 为完全确定。',
    },
    kind: 'timeseries',
    unit: 'x',
    queries: percentiles('inferencePerplexity', { quantiles: [0.5, 0.9] }),
    idle: 'nothing',
  },
  sequences: {
    title: { en: 'Sequences', zh: '并发槽位' },
    meaning: {
      en: 'Answers that are being generated, and the limit.',
      zh: '正在生成的回答数及上限。',
    },
    kind: 'timeseries',
    unit: '{sequence}',
    queries: { active: sum('inferenceSequencesActive'), limit: sum('inferenceSequencesLimit') },
    idle: 'value',
  },
});
