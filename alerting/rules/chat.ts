/** Capacity of the chat service: throughput, queue, rejections, context and streams. Generates `chat.yml`. */
import { jobs, serviceStates } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { indicator, streamIndicator, type Indicator } from '../../otel/outcomes.ts';
import { anyOf, ofChat, rate, series } from '../../otel/promql.ts';
import { stateTexts } from '../../otel/text.ts';
import type { Alert } from './rule.ts';

const window = '<window>';
const tokens = rate('inferenceTokens', {
  // Count prompt tokens too: a service that prefills long prompts for one-word answers is not slow.
  where: ofChat(anyOf('type', ['input', 'output'])),
  by: ['job', 'instance'],
  window,
});
const active = series('inferenceSequencesActive', ofChat());
const limit = series('inferenceSequencesLimit', ofChat());

/** A template for the present state of the alert's instance, with words in place of the label's values. */
function stateInWords(language: 'en' | 'zh', write: (words: string) => string): string {
  const query = `${series('inferenceState', '')}{job='%s', instance='%s'} == 1`;
  const cases = serviceStates
    .map((state) => `if eq $state "${state}" }}${stateTexts[state][language]}{{ `)
    .join('else ');
  const words = `{{ $state := . | first | label "state" }}{{ ${cases}end }}`;
  return `{{ with printf "${query}" $labels.job $labels.instance | query }}${write(words)}{{ end }}`;
}

export const chatAlerts: Alert[] = [
  {
    // The state is read for the text only. As a label it would start `for` again with every change.
    alert: 'EngineNotReady',
    labels: { severity: 'critical' },
    graph: `avg_over_time(${series('inferenceReady', ofChat())}[${window}])`,
    expr: '<graph> < <below>',
    summary: { en: 'The engine is not ready', zh: '推理引擎未就绪' },
    description: {
      en: `{{ $labels.instance }} was ready for {{ $value | humanizePercentage }} of <window>, below <below%> for more than <for>.${stateInWords('en', (words) => ` Its state: ${words}.`)} \`make status\` names the cause.`,
      zh: `{{ $labels.instance }} 最近 <window>的就绪时间占 {{ $value | humanizePercentage }}，低于 <below%>，已持续 <for>。${stateInWords('zh', (words) => `当前状态：${words}。`)}运行 make status 查看原因。`,
    },
  },
  {
    alert: 'TokenThroughputCollapse',
    labels: { severity: 'critical' },
    graph: `${tokens} / (avg_over_time(${active}[${window}]) >= <minimumActive>)`,
    expr: '<graph> < <below>',
    summary: { en: 'Token throughput has collapsed', zh: '吞吐骤降，模型几乎停止输出' },
    description: {
      en: '{{ $labels.instance }} processes {{ $value | printf "%.2f" }} tokens/s per active sequence over <window>, below <below> for more than <for>.',
      zh: '{{ $labels.instance }} 最近 <window>每个活跃槽位的吞吐为 {{ $value | printf "%.2f" }} token/s，低于 <below>，已持续 <for>。',
    },
  },
  {
    alert: 'QueueBacklog',
    labels: { severity: 'warning' },
    graph: share('inferenceQueueDepth', 'inferenceQueueLimit'),
    summary: { en: 'The queue is filling up', zh: '队列积压' },
    description: {
      en: 'The queue of {{ $labels.instance }} is {{ $value | humanizePercentage }} full, above <above%> for more than <for>.',
      zh: '{{ $labels.instance }} 的队列已占用 {{ $value | humanizePercentage }}，高于 <above%>，已持续 <for>。',
    },
  },
  {
    alert: 'RequestsRejected',
    ...failingShare(indicator('capacity')),
    summary: { en: 'Requests are rejected for lack of capacity', zh: '请求因容量不足被拒绝' },
    description: {
      en: '{{ $value | humanizePercentage }} of requests over <window> were rejected for lack of capacity, above <above%> for more than <for>.',
      zh: '最近 <window>有 {{ $value | humanizePercentage }} 的请求因容量不足被拒绝，高于 <above%>，已持续 <for>。',
    },
  },
  {
    alert: 'ContextSaturated',
    labels: { severity: 'warning' },
    graph: share('inferenceContextTokens', 'inferenceContextLimit'),
    // Only while all sequences are active: the context of an idle sequence is only a cache, and new requests replace it.
    expr: `<graph> > <above> and ${active} >= (${limit} > 0)`,
    summary: { en: 'The context is nearly full', zh: '上下文即将用尽' },
    description: {
      en: '{{ $value | humanizePercentage }} of the KV cache of {{ $labels.instance }} is in use while every sequence is active, above <above%> for more than <for>.',
      zh: '{{ $labels.instance }} 的并发槽位已满，KV cache 已占用 {{ $value | humanizePercentage }}，高于 <above%>，已持续 <for>。',
    },
  },
  {
    alert: 'StreamsStalled',
    ...failingShare(streamIndicator()),
    summary: { en: 'Streams stall before their end', zh: '流式响应中途停滞' },
    description: {
      en: '{{ $value | humanizePercentage }} of streams over <window> ended because the client stopped reading, above <above%> for more than <for>.',
      zh: '最近 <window>有 {{ $value | humanizePercentage }} 的流式响应因客户端停止读取而中断，高于 <above%>，已持续 <for>。',
    },
  },
];

function share(part: MetricKey, whole: MetricKey): string {
  return `${series(part, ofChat())} / (${series(whole, ofChat())} > 0)`;
}

/** A warning while the bad ones are more than the threshold's share, and at least its minimum of failures. */
function failingShare({ all, bad }: Indicator): Pick<Alert, 'labels' | 'graph' | 'expr'> {
  const range = { by: ['job'], window } as const;
  return {
    labels: { severity: 'warning', job: jobs.chat },
    graph: `${bad('rate', range)} / (${all('rate', range)} > 0)`,
    expr: `<graph> > <above> and ${bad('increase', range)} >= <minimumFailures>`,
  };
}
