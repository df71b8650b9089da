/** What the model says, where it says how sure it was; written to `answers.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, quantile, series, summed } from '../../otel/promql.ts';
import type { RangeOptions } from '../../otel/promql.ts';
import { inChinese } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

const median = (range: RangeOptions): string =>
  quantile(0.5, 'inferencePerplexity', { where: ofChat(), ...range });

/**
 * The median against that of the day before, since what is usual differs from model to model; a few odd answers do not
 * move it. Silent where perplexity is not recorded.
 */
export function answerAlerts({ thresholds, duration }: RuleContext): Alert[] {
  const { above, minimumRequests, ...rest } = thresholds.answersDegraded;
  const [window, held] = [duration(rest.windowSeconds), duration(rest.forSeconds)];
  const now = { by: ['job'], window } as const;
  const before = { by: ['job'], window: duration(86_400), offset: window } as const;
  const answers = series('inferencePerplexity', ofChat(), '_count');
  const enough = (range: RangeOptions): string =>
    `${summed('increase', answers, range)} >= ${minimumRequests}`;
  const graph = median(now);
  return [
    {
      alert: 'AnswersDegraded',
      expr: `${graph} / ${median(before)} > ${above} and ${enough(now)} and ${enough(before)}`,
      for: held,
      labels: { severity: 'warning', job: jobs.chat },
      graph,
      text: {
        en: {
          summary: 'Answers are less sure than they were',
          description: `The median perplexity over ${window} is {{ $value | printf "%.2f" }} times that of the day before, above ${above} for more than ${held}.`,
        },
        zh: {
          summary: '回答质量下降',
          description: `最近 ${inChinese(window)}困惑度的中位数是前一天的 {{ $value | printf "%.2f" }} 倍，超过 ${above} 倍已达 ${inChinese(held)}。`,
        },
      },
    },
  ];
}
