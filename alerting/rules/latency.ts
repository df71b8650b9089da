/** How long a person waits: for the first token, between tokens, for the whole answer; written to `latency.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, quantile, series, summed } from '../../otel/promql.ts';
import { inChinese } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

type Slow = 'chatLatencyHigh' | 'timeToFirstTokenHigh' | 'timePerOutputTokenHigh';

interface Words {
  summary: string;
  what: string;
}

/** Pages only for what does not grow with the length of an answer. */
export function latencyAlerts(context: RuleContext): Alert[] {
  const { thresholds } = context;
  return [
    slowAlert(
      'ChatLatencyHigh',
      {
        severity: 'warning',
        threshold: thresholds.chatLatencyHigh,
        en: { summary: 'Whole answers take long', what: 'a generation' },
        zh: { summary: '完整回答耗时过长', what: '一次生成' },
      },
      context,
    ),
    slowAlert(
      'TimeToFirstTokenHigh',
      {
        severity: 'critical',
        threshold: thresholds.timeToFirstTokenHigh,
        en: { summary: 'People wait long for an answer to begin', what: 'the time to first token' },
        zh: { summary: '用户等待首个 token 过久', what: '首个 token 时间' },
      },
      context,
    ),
    slowAlert(
      'TimePerOutputTokenHigh',
      {
        severity: 'critical',
        threshold: thresholds.timePerOutputTokenHigh,
        en: { summary: 'Answers trickle', what: 'the time per output token' },
        zh: { summary: '回答输出过慢', what: '每个输出 token 的时间' },
      },
      context,
    ),
  ];
}

/** P95 of a histogram above a bound, over enough requests. */
function slowAlert(
  alert: string,
  options: {
    severity: 'critical' | 'warning';
    threshold: RuleContext['thresholds'][Slow];
    en: Words;
    zh: Words;
  },
  { duration }: RuleContext,
): Alert {
  const { threshold, en, zh } = options;
  const window = duration(threshold.windowSeconds);
  const held = duration(threshold.forSeconds);
  const range = { by: ['job'], window } as const;
  const graph = quantile(0.95, threshold.metric, { where: ofChat(), ...range });
  const requests = summed('increase', series(threshold.metric, ofChat(), '_count'), range);
  return {
    alert,
    expr: `${graph} > ${threshold.above} and ${requests} >= ${threshold.minimumRequests}`,
    for: held,
    labels: { severity: options.severity, job: jobs.chat },
    graph,
    text: {
      en: {
        summary: en.summary,
        description: `P95 of ${en.what} is {{ $value | humanizeDuration }} over ${window}, above ${threshold.above} s for more than ${held}.`,
      },
      zh: {
        summary: zh.summary,
        description: `最近 ${inChinese(window)}${zh.what}的 P95 为 {{ $value | humanizeDuration }}，超过 ${threshold.above} 秒已达 ${inChinese(held)}。`,
      },
    },
  };
}
