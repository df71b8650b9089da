/**
 * The promise to users as an error budget, and the alerts on how fast it burns; written to `slo.yml`. Two SLOs share one
 * objective: requests are answered, and first tokens come soon.
 */
import { jobs } from '../../otel/names.ts';
import type { MetricKey, Reason } from '../../otel/names.ts';
import { formatBound } from '../../otel/prometheus/prometheus-names.ts';
import { anyOf, ofChat, series, summed } from '../../otel/promql.ts';
import { burnRates, errorBudget } from '../../otel/thresholds.ts';
import { inChinese, percent } from './rule.ts';
import type { Alert, AlertText, RecordingRule, RuleContext } from './rule.ts';

/** Whose fault each way to end is: `good` keeps the promise, `bad` breaks it, a client's own mistake counts for neither. */
const verdicts = {
  stop: 'good',
  length: 'good',
  tool_calls: 'good',
  client_gone: 'good',
  deadline: 'bad',
  shutdown: 'bad',
  not_ready: 'bad',
  queue_full: 'bad',
  queue_timeout: 'bad',
  engine_error: 'bad',
  engine_exit: 'bad',
  internal_error: 'bad',
  bad_request: 'client',
  context_overflow: 'client',
  model_not_found: 'client',
  too_large: 'client',
  unauthorized: 'client',
} as const satisfies Record<Reason, 'good' | 'bad' | 'client'>;

type Verdict = (typeof verdicts)[Reason];
const reasonsOf = (...wanted: Verdict[]): string[] =>
  Object.entries(verdicts).flatMap(([reason, verdict]) => (wanted.includes(verdict) ? reason : []));

const [minute, hour, day] = [60, 3600, 86_400];

type Burn = keyof typeof burnRates;
const allRates = [...burnRates.fast, ...burnRates.slow];

/** Names keep the true windows when a time scale shortens them. */
const names: Record<number, string> = {
  [5 * minute]: '5m',
  [30 * minute]: '30m',
  [hour]: '1h',
  [2 * hour]: '2h',
  [6 * hour]: '6h',
  [day]: '1d',
  [3 * day]: '3d',
};
const ratioName = (seconds: number): string => `job:slo_errors:ratio_rate${names[seconds]}`;
const increaseName = (seconds: number): string => `job:slo_errors:increase${names[seconds]}`;

const slos = ['availability', 'latency'] as const;
type Slo = (typeof slos)[number];

type Count = (operation: 'rate' | 'increase', window: string) => string;

const counted =
  (metric: MetricKey, where: string, part?: string): Count =>
  (operation, window) =>
    summed(operation, series(metric, where, part), { by: ['job'], window });

/** What counts as asked for, and as gone wrong. */
function indicator(slo: Slo, { thresholds }: RuleContext): { all: Count; bad: Count } {
  if (slo === 'availability') {
    const requests = (...wanted: Verdict[]): Count =>
      counted('inferenceRequests', ofChat(anyOf('reason', reasonsOf(...wanted))));
    return { all: requests('good', 'bad'), bad: requests('bad') };
  }
  const { metric, above } = thresholds.slo;
  const all = counted(metric, ofChat(), '_count');
  const inTime = counted(metric, ofChat(`le="${formatBound(above)}"`), '_bucket');
  return { all, bad: (...given) => `${all(...given)} - ${inTime(...given)}` };
}

/** Long windows average the five-minute rates: two series instead of every bucket of three days. */
export function sloRecordings(context: RuleContext): RecordingRule[] {
  const { duration } = context;
  const fiveMinutes = duration(5 * minute);
  const longWindows = allRates.map(({ longSeconds }) => longSeconds);
  const ratioWindows = [...new Set(allRates.flatMap((r) => [r.shortSeconds, r.longSeconds]))];
  return [
    ...slos.flatMap((slo) => {
      const { all, bad } = indicator(slo, context);
      return [
        { record: 'job:slo_requests:rate5m', expr: all('rate', fiveMinutes), labels: { slo } },
        { record: 'job:slo_errors:rate5m', expr: bad('rate', fiveMinutes), labels: { slo } },
        ...longWindows.map((seconds) => ({
          record: increaseName(seconds),
          expr: bad('increase', duration(seconds)),
          labels: { slo },
        })),
      ];
    }),
    ...ratioWindows
      .toSorted((a, b) => a - b)
      .map((seconds) => {
        const average = (name: string): string =>
          seconds === 5 * minute ? name : `avg_over_time(${name}[${duration(seconds)}])`;
        const requests = average('job:slo_requests:rate5m');
        return {
          record: ratioName(seconds),
          expr: `${average('job:slo_errors:rate5m')} / (${requests} > 0)`,
        };
      }),
  ];
}

export function sloAlerts(context: RuleContext): Alert[] {
  return slos.flatMap((slo) => [burnAlert(slo, 'fast', context), burnAlert(slo, 'slow', context)]);
}

function burnAlert(slo: Slo, burn: Burn, { thresholds, duration }: RuleContext): Alert {
  const { objective, minimumFailures } = thresholds.slo;
  const budget = errorBudget(objective);
  const of = `{${ofChat(`slo="${slo}"`)}}`;
  const conditions = burnRates[burn].map(({ factor, longSeconds, shortSeconds }) => {
    const bound = Number((factor * budget).toPrecision(6));
    return (
      `(${ratioName(longSeconds)}${of} > ${bound} and ${ratioName(shortSeconds)}${of} > ${bound}` +
      ` and ${increaseName(longSeconds)}${of} >= ${minimumFailures})`
    );
  });
  const rule = burn === 'fast' ? thresholds.errorBudgetBurnFast : thresholds.errorBudgetBurnSlow;
  return {
    alert: 'ChatErrorBudgetBurn',
    expr: conditions.join(' or '),
    for: duration(rule.forSeconds),
    labels: { severity: burn === 'fast' ? 'critical' : 'warning', job: jobs.chat, slo, burn },
    graph: ratioName(burnRates[burn][0].longSeconds) + of,
    text: texts(slo, burn, { budget, seconds: thresholds.slo.above, duration }),
  };
}

function texts(
  slo: Slo,
  burn: Burn,
  {
    budget,
    seconds,
    duration,
  }: { budget: number; seconds: number } & Pick<RuleContext, 'duration'>,
): { en: AlertText; zh: AlertText } {
  const [first, second] = burnRates[burn].map(({ longSeconds }) => duration(longSeconds));
  const what = {
    availability: { en: 'of requests failed or were turned away', zh: '的请求失败或被拒绝' },
    latency: {
      en: `of first tokens took more than ${seconds} s`,
      zh: `的首个 token 超过 ${seconds} 秒`,
    },
  }[slo];
  const end = {
    fast: { en: 'gone within days', zh: '几天内耗尽' },
    slow: { en: 'gone before its 30 days are', zh: '不到 30 天就会耗尽' },
  }[burn];
  return {
    en: {
      summary: `The error budget for ${slo} burns ${burn === 'fast' ? 'fast' : 'steadily'}`,
      description: `{{ $value | humanizePercentage }} ${what.en} over ${first} or ${second}; the objective allows ${percent(budget)}. At this rate the budget is ${end.en}.`,
    },
    zh: {
      summary: `${slo === 'latency' ? '延迟' : '可用性'}错误预算正在${burn === 'fast' ? '快速' : '持续'}消耗`,
      description: `最近 ${inChinese(first ?? '')}或 ${inChinese(second ?? '')}有 {{ $value | humanizePercentage }} ${what.zh}，目标只允许 ${percent(budget)}。照此速度，预算${end.zh}。`,
    },
  };
}
