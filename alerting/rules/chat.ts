/** The service at its limits: speed, queue, refusals, context and streams; written to `chat.yml`. */
import { jobs } from '../../otel/names.ts';
import { anyOf, increase, ofChat, rate, series } from '../../otel/promql.ts';
import type { MetricKey } from '../../otel/names.ts';
import { inChinese, percent } from './rule.ts';
import type { Alert, AlertText, RuleContext } from './rule.ts';

/** Refusals for want of room, which a client did nothing to deserve. */
const noRoom = ['queue_full', 'queue_timeout', 'not_ready'];

export function chatAlerts(context: RuleContext): Alert[] {
  return [
    tokenThroughputCollapse(context),
    queueBacklog(context),
    requestsRejected(context),
    contextSaturated(context),
    streamsStalled(context),
  ];
}

/** Prompt tokens count too: a service that reads long prompts and answers one word is not slow. */
function tokenThroughputCollapse({ thresholds, duration }: RuleContext): Alert {
  const { below, minimumActive, ...rest } = thresholds.tokenThroughputCollapse;
  const [window, held] = [duration(rest.windowSeconds), duration(rest.forSeconds)];
  const where = ofChat(anyOf('type', ['input', 'output']));
  const tokens = rate('inferenceTokens', { where, by: ['job', 'instance'], window });
  const active = `avg_over_time(${series('inferenceSequencesActive', ofChat())}[${window}])`;
  const graph = `${tokens} / (${active} >= ${minimumActive})`;
  return {
    alert: 'TokenThroughputCollapse',
    expr: `${graph} < ${below}`,
    for: held,
    labels: { severity: 'critical' },
    graph,
    text: {
      en: {
        summary: 'The model has all but stopped',
        description: `{{ $labels.instance }} makes {{ $value | printf "%.2f" }} tokens a second for each running answer over ${window}, under ${below} for more than ${held}.`,
      },
      zh: {
        summary: '模型几乎停止输出',
        description: `{{ $labels.instance }} 最近 ${inChinese(window)}每个进行中的回答每秒只有 {{ $value | printf "%.2f" }} 个 token，低于 ${below} 已达 ${inChinese(held)}。`,
      },
    },
  };
}

function queueBacklog({ thresholds, duration }: RuleContext): Alert {
  const { above, forSeconds } = thresholds.queueBacklog;
  const held = duration(forSeconds);
  const graph = share('inferenceQueueDepth', 'inferenceQueueLimit');
  return {
    alert: 'QueueBacklog',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: 'The queue fills up',
        description: `{{ $value | humanizePercentage }} of the queue of {{ $labels.instance }} is taken, above ${percent(above)} for more than ${held}.`,
      },
      zh: {
        summary: '队列积压',
        description: `{{ $labels.instance }} 的队列已占用 {{ $value | humanizePercentage }}，超过 ${percent(above)} 已达 ${inChinese(held)}。`,
      },
    },
  };
}

function requestsRejected({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.requestsRejected;
  return ratioAlert({
    alert: 'RequestsRejected',
    ...ratioOf('inferenceRequests', anyOf('reason', noRoom), threshold, { duration }),
    text: (window, held) => ({
      en: {
        summary: 'People are turned away',
        description: `{{ $value | humanizePercentage }} of requests over ${window} found no room, above ${percent(threshold.above)} for more than ${held}.`,
      },
      zh: {
        summary: '请求因容量不足被拒绝',
        description: `最近 ${inChinese(window)}有 {{ $value | humanizePercentage }} 的请求因容量不足被拒绝，超过 ${percent(threshold.above)} 已达 ${inChinese(held)}。`,
      },
    }),
  });
}

/** Idle sequences keep finished conversations, which give way: only when all of them run is a full context one. */
function contextSaturated({ thresholds, duration }: RuleContext): Alert {
  const { above, forSeconds } = thresholds.contextSaturated;
  const held = duration(forSeconds);
  const graph = share('inferenceContextTokens', 'inferenceContextLimit');
  const [active, limit] = ['inferenceSequencesActive', 'inferenceSequencesLimit'] as const;
  const allRun = `${series(active, ofChat())} >= (${series(limit, ofChat())} > 0)`;
  return {
    alert: 'ContextSaturated',
    expr: `${graph} > ${above} and ${allRun}`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: 'Conversations outgrow the context',
        description: `{{ $value | humanizePercentage }} of the KV cells of {{ $labels.instance }} are in use while every sequence runs, above ${percent(above)} for more than ${held}.`,
      },
      zh: {
        summary: '上下文即将用尽',
        description: `{{ $labels.instance }} 的所有序列都在运行，KV 单元已占用 {{ $value | humanizePercentage }}，超过 ${percent(above)} 已达 ${inChinese(held)}。`,
      },
    },
  };
}

function streamsStalled({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.streamsStalled;
  return ratioAlert({
    alert: 'StreamsStalled',
    ...ratioOf('inferenceStreamTerminations', 'how="stalled"', threshold, { duration }),
    text: (window, held) => ({
      en: {
        summary: 'Streams stall before their end',
        description: `{{ $value | humanizePercentage }} of streams over ${window} ended because the reader took nothing, above ${percent(threshold.above)} for more than ${held}.`,
      },
      zh: {
        summary: '流式回答中途停滞',
        description: `最近 ${inChinese(window)}有 {{ $value | humanizePercentage }} 的流因客户端不再读取而结束，超过 ${percent(threshold.above)} 已达 ${inChinese(held)}。`,
      },
    }),
  });
}

const share = (part: MetricKey, whole: MetricKey): string =>
  `${series(part, ofChat())} / (${series(whole, ofChat())} > 0)`;

interface Ratio {
  graph: string;
  expr: string;
  window: string;
  held: string;
}

/** The share of a counter that `matcher` picks, above a bound and more than a few. */
function ratioOf(
  counter: MetricKey,
  matcher: string,
  threshold: RuleContext['thresholds']['requestsRejected' | 'streamsStalled'],
  { duration }: Pick<RuleContext, 'duration'>,
): Ratio {
  const window = duration(threshold.windowSeconds);
  const some = { where: ofChat(matcher), by: ['job'], window } as const;
  const graph = `${rate(counter, some)} / (${rate(counter, { ...some, where: ofChat() })} > 0)`;
  const enough = `${increase(counter, some)} >= ${threshold.minimumFailures}`;
  return {
    graph,
    expr: `${graph} > ${threshold.above} and ${enough}`,
    window,
    held: duration(threshold.forSeconds),
  };
}

function ratioAlert({
  alert,
  graph,
  expr,
  window,
  held,
  text,
}: Ratio & {
  alert: string;
  text: (window: string, held: string) => { en: AlertText; zh: AlertText };
}): Alert {
  return {
    alert,
    expr,
    for: held,
    labels: { severity: 'warning', job: jobs.chat },
    graph,
    text: text(window, held),
  };
}
