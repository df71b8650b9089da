/** Capacity of the chat service: throughput, queue, rejections, context and streams. Generates `chat.yml`. */
import { jobs } from '../../otel/names.ts';
import type { MetricKey } from '../../otel/names.ts';
import { anyOf, increase, ofChat, rate, series } from '../../otel/promql.ts';
import type { Alert, RuleContext } from './rule.ts';

/** Rejections for lack of capacity, not for a mistake of the client. */
const noCapacity = ['queue_full', 'queue_timeout', 'not_ready'];

export function chatAlerts(context: RuleContext): Alert[] {
  return [
    tokenThroughputCollapse(context),
    queueBacklog(context),
    requestsRejected(context),
    contextSaturated(context),
    streamsStalled(context),
  ];
}

/** Counts prompt tokens too: a service that reads long prompts and answers with one word is not slow. */
function tokenThroughputCollapse({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.tokenThroughputCollapse;
  const window = duration(threshold.windowSeconds);
  const where = ofChat(anyOf('type', ['input', 'output']));
  const tokens = rate('inferenceTokens', { where, by: ['job', 'instance'], window });
  const active = `avg_over_time(${series('inferenceSequencesActive', ofChat())}[${window}])`;
  const graph = `${tokens} / (${active} >= ${threshold.minimumActive})`;
  return {
    alert: 'TokenThroughputCollapse',
    threshold,
    labels: { severity: 'critical' },
    graph,
    expr: `${graph} < ${threshold.below}`,
    summary: { en: 'Token throughput has collapsed', zh: '吞吐骤降，模型几乎停止输出' },
    description: {
      en: '{{ $labels.instance }} processes {{ $value | printf "%.2f" }} tokens/s per active sequence over <window>, below <below> for more than <for>.',
      zh: '{{ $labels.instance }} 最近 <window>每个活跃槽位的吞吐为 {{ $value | printf "%.2f" }} token/s，低于 <below>，已持续 <for>。',
    },
  };
}

function queueBacklog({ thresholds }: RuleContext): Alert {
  const threshold = thresholds.queueBacklog;
  const graph = share('inferenceQueueDepth', 'inferenceQueueLimit');
  return {
    alert: 'QueueBacklog',
    threshold,
    labels: { severity: 'warning' },
    graph,
    expr: `${graph} > ${threshold.above}`,
    summary: { en: 'The queue is filling up', zh: '队列积压' },
    description: {
      en: 'The queue of {{ $labels.instance }} is {{ $value | humanizePercentage }} full, above <above%> for more than <for>.',
      zh: '{{ $labels.instance }} 的队列已占用 {{ $value | humanizePercentage }}，高于 <above%>，已持续 <for>。',
    },
  };
}

function requestsRejected({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.requestsRejected;
  return {
    alert: 'RequestsRejected',
    ...failingShare('inferenceRequests', anyOf('reason', noCapacity), threshold, duration),
    summary: { en: 'Requests are rejected for lack of capacity', zh: '请求因容量不足被拒绝' },
    description: {
      en: '{{ $value | humanizePercentage }} of requests over <window> were rejected for lack of capacity, above <above%> for more than <for>.',
      zh: '最近 <window>有 {{ $value | humanizePercentage }} 的请求因容量不足被拒绝，高于 <above%>，已持续 <for>。',
    },
  };
}

/** Idle sequences keep finished conversations that give way to new ones, so a full context counts only while all are active. */
function contextSaturated({ thresholds }: RuleContext): Alert {
  const threshold = thresholds.contextSaturated;
  const graph = share('inferenceContextTokens', 'inferenceContextLimit');
  const [active, limit] = ['inferenceSequencesActive', 'inferenceSequencesLimit'] as const;
  const allActive = `${series(active, ofChat())} >= (${series(limit, ofChat())} > 0)`;
  return {
    alert: 'ContextSaturated',
    threshold,
    labels: { severity: 'warning' },
    graph,
    expr: `${graph} > ${threshold.above} and ${allActive}`,
    summary: { en: 'The context is nearly full', zh: '上下文即将用尽' },
    description: {
      en: '{{ $value | humanizePercentage }} of the KV cache of {{ $labels.instance }} is in use while every sequence is active, above <above%> for more than <for>.',
      zh: '{{ $labels.instance }} 的并发槽位已满，KV cache 已占用 {{ $value | humanizePercentage }}，高于 <above%>，已持续 <for>。',
    },
  };
}

function streamsStalled({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.streamsStalled;
  return {
    alert: 'StreamsStalled',
    ...failingShare('inferenceStreamTerminations', 'how="stalled"', threshold, duration),
    summary: { en: 'Streams stall before their end', zh: '流式响应中途停滞' },
    description: {
      en: '{{ $value | humanizePercentage }} of streams over <window> ended because the client stopped reading, above <above%> for more than <for>.',
      zh: '最近 <window>有 {{ $value | humanizePercentage }} 的流式响应因客户端停止读取而中断，高于 <above%>，已持续 <for>。',
    },
  };
}

const share = (part: MetricKey, whole: MetricKey): string =>
  `${series(part, ofChat())} / (${series(whole, ofChat())} > 0)`;

/** A warning while the share of a counter that `matcher` selects is above its threshold, and more than a few. */
function failingShare(
  counter: MetricKey,
  matcher: string,
  threshold: RuleContext['thresholds']['requestsRejected' | 'streamsStalled'],
  duration: RuleContext['duration'],
): Pick<Alert, 'threshold' | 'labels' | 'graph' | 'expr'> {
  const window = duration(threshold.windowSeconds);
  const failing = { where: ofChat(matcher), by: ['job'], window } as const;
  const all = rate(counter, { ...failing, where: ofChat() });
  const graph = `${rate(counter, failing)} / (${all} > 0)`;
  const enough = `${increase(counter, failing)} >= ${threshold.minimumFailures}`;
  return {
    threshold,
    labels: { severity: 'warning', job: jobs.chat },
    graph,
    expr: `${graph} > ${threshold.above} and ${enough}`,
  };
}
