/** Where a generation's time goes, and what a reader feels of it. */
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { mean, percentiles, rate, selectedChat, selectedModel, series, sum } from '../promql.ts';

export const ready: Panel = {
  id: 'ready',
  title: { en: 'Ready', zh: '就绪' },
  meaning: {
    en: 'Whether every instance accepts generations.',
    zh: '所有实例是否都在接受生成请求。',
  },
  kind: 'stat',
  unit: '{instance}',
  queries: [{ expr: `min(${series('inferenceReady')})`, legend: '' }],
  idle: 'value',
  thresholds: { red: 0.5, when: 'below' },
  whenRed: {
    en: 'The engine is loading or cannot load: make logs names the file.',
    zh: '引擎正在加载或无法加载：make logs 会写明文件。',
    runbook: 'HighErrorRate',
  },
  words: { '0': { en: 'not ready', zh: '未就绪' }, '1': { en: 'ready', zh: '就绪' } },
};

export const model: Panel = {
  id: 'model',
  title: { en: 'Model', zh: '模型' },
  meaning: { en: 'What is being served.', zh: '正在提供服务的模型。' },
  kind: 'info',
  unit: '{model}',
  queries: [
    {
      expr: series('inferenceModelInfo', selectedModel),
      legend: '{{gen_ai_request_model}} {{quantization}}',
    },
  ],
  idle: 'value',
};

export const sequencesUsed: Panel = {
  id: 'sequences-used',
  title: { en: 'Sequences in use', zh: '序列占用率' },
  meaning: {
    en: 'The share of places for simultaneous answers that are taken.',
    zh: '可同时生成的位置中已被占用的比例。',
  },
  kind: 'gauge',
  unit: '1',
  queries: [
    {
      expr: `sum(${series('inferenceSequencesActive')}) / sum(${series('inferenceSequencesLimit')})`,
      legend: '',
    },
  ],
  idle: 'zero',
};

export const contextUsed: Panel = {
  id: 'context-used',
  title: { en: 'Context in use', zh: '上下文占用率' },
  meaning: {
    en: 'The share of the KV cache that holds tokens, kept prefixes included.',
    zh: 'KV 缓存中已存放 token 的比例，包括保留的前缀。',
  },
  kind: 'gauge',
  unit: '1',
  queries: [
    {
      expr: `sum(${series('inferenceContextTokens')}) / sum(${series('inferenceContextLimit')})`,
      legend: '',
    },
  ],
  idle: 'value',
  thresholds: { red: defaultThresholds.contextSaturated.above, when: 'above' },
  whenRed: {
    en: 'Kept prefixes give way to new chats; if answers end with length, raise CHAT_CONTEXT.',
    zh: '保留的前缀会让位给新对话；若回答因长度结束，请增大 CHAT_CONTEXT。',
    runbook: 'ContextSaturated',
  },
};

export const phases: Panel = {
  id: 'phases',
  title: { en: 'Where the time goes', zh: '时间花在哪里' },
  meaning: {
    en: 'The mean seconds of a request in each phase, one upon the other.',
    zh: '请求在每个阶段的平均秒数，逐层叠加。',
  },
  kind: 'stacked',
  unit: 's',
  queries: [
    { expr: mean('inferenceTokenizeDuration'), legend: 'tokenize' },
    { expr: mean('inferenceQueueDuration'), legend: 'queue' },
    { expr: mean('inferencePrefillDuration'), legend: 'prefill' },
    { expr: mean('inferenceDecodeDuration'), legend: 'decode' },
  ],
  idle: 'nothing',
};

export const generationTime: Panel = {
  id: 'generation-time',
  title: { en: 'Generation time', zh: '生成总耗时' },
  meaning: {
    en: 'From admission to the last token, queue included.',
    zh: '从接收请求到最后一个 token，包括排队。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: percentiles('genAiServerRequestDuration', { where: selectedModel }),
  idle: 'nothing',
};

export const firstToken: Panel = {
  id: 'first-token',
  title: { en: 'Time to first token', zh: '首个 token 时间' },
  meaning: {
    en: 'How long a person waits before anything appears; it does not grow with the answer.',
    zh: '用户看到第一个字之前等待多久；与回答长度无关。',
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
    en: 'Full queue: add a replica. Empty queue: long prompts, or a busy CPU.',
    zh: '队列满：增加副本。队列空：提示词过长或 CPU 繁忙。',
    runbook: 'TimeToFirstTokenHigh',
  },
};

export const interToken: Panel = {
  id: 'inter-token',
  title: { en: 'Gap between tokens', zh: 'token 间隔' },
  meaning: {
    en: 'The stutter that a reader feels: one observation a token.',
    zh: '读者感受到的停顿：每个 token 一次观测。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: percentiles('inferenceInterTokenDuration'),
  idle: 'nothing',
};

export const perToken: Panel = {
  id: 'per-token',
  title: { en: 'Time per output token', zh: '每个输出 token 耗时' },
  meaning: {
    en: 'The mean pace of whole answers after their first token.',
    zh: '整个回答在首个 token 之后的平均速度。',
  },
  kind: 'timeseries',
  unit: 's',
  queries: percentiles('genAiServerTimePerOutputToken', { where: selectedModel }),
  idle: 'nothing',
  thresholds: { red: defaultThresholds.timePerOutputTokenHigh.above, orange: 0.25, when: 'above' },
  whenRed: {
    en: 'Another process takes the CPU, or there are too many threads.',
    zh: '其他进程占用 CPU，或线程过多。',
    runbook: 'TimePerOutputTokenHigh',
  },
};

export const tokens: Panel = {
  id: 'tokens',
  title: { en: 'Tokens a second', zh: '每秒 token 数' },
  meaning: {
    en: 'Prompt tokens evaluated, prompt tokens reused from the cache, and tokens written.',
    zh: '计算的提示词 token、从缓存复用的 token 和生成的 token。',
  },
  kind: 'stacked',
  unit: '{token}/s',
  queries: [{ expr: rate('inferenceTokens', { by: ['type'] }), legend: '{{type}}' }],
  idle: 'zero',
};

export const tokensPerCpu: Panel = {
  id: 'tokens-per-cpu-second',
  title: { en: 'Output tokens per CPU-second', zh: '每 CPU 秒输出 token 数' },
  meaning: {
    en: 'What a second of CPU in the engine yields: the price of an answer on this machine.',
    zh: '引擎每秒 CPU 能产出多少 token：本机上一次回答的成本。',
  },
  kind: 'timeseries',
  unit: '{token}/s',
  queries: [
    {
      expr: `${rate('inferenceTokens', { where: `${selectedChat}, type="output"` })} / (${rate('processCpuTime', { where: `${selectedChat}, process_role="engine"` })} > 0)`,
      legend: 'tokens per CPU-second',
    },
  ],
  idle: 'zero',
};

export const tokenCounts: Panel = {
  id: 'token-counts',
  title: { en: 'Size of prompts and answers', zh: '提示词与回答长度' },
  meaning: {
    en: 'The median and the longest twentieth of both, in tokens.',
    zh: '两者的中位数和最长的 5%（单位 token）。',
  },
  kind: 'timeseries',
  unit: '{token}',
  queries: (['input', 'output'] as const).flatMap((type) =>
    percentiles('genAiClientTokenUsage', {
      where: `${selectedModel}, gen_ai_token_type="${type}"`,
      quantiles: [0.5, 0.95],
    }).map(({ expr, legend }) => ({ expr, legend: `${type} ${legend}` })),
  ),
  idle: 'nothing',
};

export const perplexity: Panel = {
  id: 'perplexity',
  title: { en: 'Perplexity', zh: '困惑度' },
  meaning: {
    en: 'How surprised the model is by its own answers, where they came with log probabilities: 1 is always sure.',
    zh: '模型对自己回答的意外程度（仅限带对数概率的回答）：1 表示始终确定。',
  },
  kind: 'timeseries',
  unit: 'x',
  queries: percentiles('inferencePerplexity', { quantiles: [0.5, 0.9] }),
  idle: 'nothing',
};

export const sequences: Panel = {
  id: 'sequences',
  title: { en: 'Sequences', zh: '序列' },
  meaning: {
    en: 'Answers being written now, and the most that can be.',
    zh: '正在生成的回答数及其上限。',
  },
  kind: 'timeseries',
  unit: '{sequence}',
  queries: [
    { expr: sum('inferenceSequencesActive'), legend: 'active' },
    { expr: sum('inferenceSequencesLimit'), legend: 'limit' },
  ],
  idle: 'value',
};
