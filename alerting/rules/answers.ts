/** Quality of the answers, as far as the model reports it: perplexity. Generates `answers.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, quantile, series, summed } from '../../otel/promql.ts';
import type { RangeOptions } from '../../otel/promql.ts';
import type { Alert, RuleContext } from './rule.ts';

const median = (range: RangeOptions): string =>
  quantile(0.5, 'inferencePerplexity', { where: ofChat(), ...range });

/**
 * Compares the median with the day before, because the usual perplexity differs from model to model; a median ignores a few
 * unusual answers. Empty where no perplexity is recorded.
 */
export function answerAlerts({ thresholds, duration }: RuleContext): Alert[] {
  const threshold = thresholds.answersDegraded;
  const window = duration(threshold.windowSeconds);
  const now = { by: ['job'], window } as const;
  const before = { by: ['job'], window: duration(86_400), offset: window } as const;
  const answers = series('inferencePerplexity', ofChat(), '_count');
  const enough = (range: RangeOptions): string =>
    `${summed('increase', answers, range)} >= ${threshold.minimumRequests}`;
  const ratio = `${median(now)} / ${median(before)}`;
  return [
    {
      alert: 'AnswersDegraded',
      threshold,
      labels: { severity: 'warning', job: jobs.chat },
      graph: median(now),
      expr: `${ratio} > ${threshold.above} and ${enough(now)} and ${enough(before)}`,
      summary: { en: 'Model perplexity has risen', zh: '模型困惑度升高' },
      description: {
        en: 'The median perplexity over <window> is {{ $value | printf "%.2f" }} times that of the day before, above <above> for more than <for>.',
        zh: '最近 <window>困惑度的中位数是前一天的 {{ $value | printf "%.2f" }} 倍，高于 <above> 倍，已持续 <for>。',
      },
    },
  ];
}
