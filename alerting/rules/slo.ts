/**
 * The SLOs as error budgets, and the alerts on how fast the budgets burn. Two SLOs share one objective: requests are answered,
 * and first tokens arrive in time; requests that ended late without one count as late. Generates `slo.yml`.
 */
import { jobs } from '../../otel/names.ts';
import type { MetricKey, Reason } from '../../otel/names.ts';
import { formatBound } from '../../otel/prometheus/prometheus-names.ts';
import { anyOf, ofChat, series, summed } from '../../otel/promql.ts';
import { burnRates, errorBudget } from '../../otel/thresholds.ts';
import { toPromDuration } from './rule.ts';
import type { Alert, RecordingRule, RuleContext } from './rule.ts';

/** How the availability SLO counts each ending: `good`, `bad`, or `client`: not counted, because the request was invalid. */
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

const fiveMinutes = 300;
type Burn = keyof typeof burnRates;
const allRates = [...burnRates.fast, ...burnRates.slow];

/** Names keep the unscaled window when a time scale shortens it. */
const ratioName = (seconds: number): string =>
  `job:slo_errors:ratio_rate${toPromDuration(seconds)}`;
const increaseName = (seconds: number): string =>
  `job:slo_errors:increase${toPromDuration(seconds)}`;

const slos = ['availability', 'latency'] as const;
type Slo = (typeof slos)[number];

type Count = (operation: 'rate' | 'increase', window: string) => string;

const counted =
  (metric: MetricKey, where: string, part?: string): Count =>
  (operation, window) =>
    summed(operation, series(metric, where, part), { by: ['job'], window });

/** Observations above a bucket bound. */
function countedAbove(metric: MetricKey, bound: number): Count {
  const all = counted(metric, ofChat(), '_count');
  const below = counted(metric, ofChat(`le="${formatBound(bound)}"`), '_bucket');
  return (...given) => `(${all(...given)} - ${below(...given)})`;
}

/** Queries for all requests that the SLO counts, and for the bad requests. */
function indicator(slo: Slo, { thresholds }: RuleContext): { all: Count; bad: Count } {
  if (slo === 'availability') {
    const requests = (...wanted: Verdict[]): Count =>
      counted('inferenceRequests', ofChat(anyOf('reason', reasonsOf(...wanted))));
    return { all: requests('good', 'bad'), bad: requests('bad') };
  }
  const { metric, above } = thresholds.slo;
  const answered = counted(metric, ofChat(), '_count');
  const late = countedAbove(metric, above);
  // Who left earlier than the bound may have changed their mind, so these requests are not counted.
  const unanswered = countedAbove('inferenceUnansweredDuration', above);
  return {
    all: (...given) => `${answered(...given)} + ${unanswered(...given)}`,
    bad: (...given) => `${late(...given)} + ${unanswered(...given)}`,
  };
}

/** Long windows average the recorded 5 min rates, which reads two series instead of every bucket of three days. */
export function sloRecordings(context: RuleContext): RecordingRule[] {
  const { duration } = context;
  const window = duration(fiveMinutes);
  const longWindows = allRates.map(({ longSeconds }) => longSeconds);
  const ratioWindows = [...new Set(allRates.flatMap((r) => [r.shortSeconds, r.longSeconds]))];
  return [
    ...slos.flatMap((slo) => {
      const { all, bad } = indicator(slo, context);
      return [
        { record: 'job:slo_requests:rate5m', expr: all('rate', window), labels: { slo } },
        { record: 'job:slo_errors:rate5m', expr: bad('rate', window), labels: { slo } },
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
          seconds === fiveMinutes ? name : `avg_over_time(${name}[${duration(seconds)}])`;
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
  const { objective, minimumFailures, above } = thresholds.slo;
  const budget = errorBudget(objective);
  const where = `{${ofChat(`slo="${slo}"`)}}`;
  const conditions = burnRates[burn].map(({ factor, longSeconds, shortSeconds }) => {
    const bound = Number((factor * budget).toPrecision(6));
    const long = `${ratioName(longSeconds)}${where} > ${bound}`;
    const short = `${ratioName(shortSeconds)}${where} > ${bound}`;
    return `(${long} and ${short} and ${increaseName(longSeconds)}${where} >= ${minimumFailures})`;
  });
  const [first, second] = burnRates[burn].map(({ longSeconds }) => duration(longSeconds));
  const { en, zh } = sentences[slo];
  const end = ends[burn];
  return {
    alert: 'ChatErrorBudgetBurn',
    threshold: burn === 'fast' ? 'errorBudgetBurnFast' : 'errorBudgetBurnSlow',
    labels: { severity: burn === 'fast' ? 'critical' : 'warning', job: jobs.chat, slo, burn },
    graph: ratioName(burnRates[burn][0].longSeconds) + where,
    expr: conditions.join(' or '),
    numbers: () => ({ above, budget, first: first ?? '', second: second ?? '' }),
    summary: {
      en: `The ${slo} error budget ${end.en.summary}`,
      zh: `${zh.name}错误预算${end.zh.summary}`,
    },
    description: {
      en: `{{ $value | humanizePercentage }} of ${en} over <first> or <second>; the SLO allows <budget%>. At this rate the 30-day budget is used up ${end.en.when}.`,
      zh: `最近 <first>或 <second>有 {{ $value | humanizePercentage }} ${zh.failed}（SLO 允许 <budget%>）。按当前燃烧率，30 天的错误预算${end.zh.when}。`,
    },
  };
}

const sentences = {
  availability: {
    en: 'requests failed or were rejected',
    zh: { name: '可用性', failed: '的请求失败或被拒绝' },
  },
  latency: {
    en: 'requests waited more than <above> s for the first token',
    zh: { name: '延迟', failed: '的请求等待首 token 超过 <above> 秒' },
  },
} satisfies Record<Slo, object>;

const ends = {
  fast: {
    en: { summary: 'is burning fast', when: 'within days' },
    zh: { summary: '快速消耗', when: '将在几天内耗尽' },
  },
  slow: {
    en: { summary: 'will not last 30 days', when: 'before the 30 days are over' },
    zh: { summary: '消耗偏快', when: '不到 30 天就会耗尽' },
  },
} satisfies Record<Burn, object>;
