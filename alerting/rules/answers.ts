/** Quality of the answers, as far as the model reports it: perplexity. Generates `answers.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, quantile, series, summed } from '../../otel/promql.ts';
import type { RangeOptions } from '../../otel/promql.ts';
import type { Alert } from './rule.ts';

const now = { by: ['job'], window: '<window>' } as const;
const before = { by: ['job'], window: '<day>', offset: '<window>' } as const;

const median = (range: RangeOptions): string =>
  quantile(0.5, 'inferencePerplexity', { where: ofChat(), ...range });

const answers = series('inferencePerplexity', ofChat(), '_count');
const enough = (range: RangeOptions): string =>
  `${summed('increase', answers, range)} >= <minimumRequests>`;

/**
 * Compares the median with the day before, because the usual perplexity differs from model to model; a median ignores a few
 * unusual answers. The result is empty if no perplexity is recorded.
 */
export const answerAlerts: Alert[] = [
  {
    alert: 'AnswersDegraded',
    labels: { severity: 'warning', job: jobs.chat },
    graph: median(now),
    expr: `<graph> / ${median(before)} > <above> and ${enough(now)} and ${enough(before)}`,
    numbers: ({ duration }) => ({ day: duration(86_400) }),
    summary: { en: 'Model perplexity has risen', zh: '模型困惑度升高' },
    description: {
      en: 'The median perplexity over <window> is {{ $value | printf "%.2f" }} times that of the day before, above <above> for more than <for>.',
      zh: '最近 <window>困惑度的中位数是前一天的 {{ $value | printf "%.2f" }} 倍，高于 <above> 倍，已持续 <for>。',
    },
  },
];
