/**
 * The SLOs as error budgets, and the alerts on how fast the budgets burn. Two SLOs share one objective: requests are answered,
 * and first tokens arrive in time. `otel/outcomes.ts` says what counts. Generates `slo.yml`.
 */
import { jobs } from '../../otel/names.ts';
import { indicator } from '../../otel/outcomes.ts';
import { ofChat } from '../../otel/promql.ts';
import { burnRates, errorBudget } from '../../otel/thresholds.ts';
import { toPromDuration } from './rule.ts';
import type { Alert, RecordingRule, RuleContext } from './rule.ts';

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

/** Long windows average the recorded 5 min rates, which reads two series instead of every bucket of three days. */
export function sloRecordings(context: RuleContext): RecordingRule[] {
  const { duration } = context;
  const window = duration(fiveMinutes);
  const longWindows = allRates.map(({ longSeconds }) => longSeconds);
  const ratioWindows = [...new Set(allRates.flatMap((r) => [r.shortSeconds, r.longSeconds]))];
  return [
    ...slos.flatMap((slo) => {
      const { all, bad } = indicator(slo, context.thresholds.slo);
      const now = { by: ['job', 'instance'], window } as const;
      return [
        { record: 'instance:slo_requests:rate5m', expr: all('rate', now), labels: { slo } },
        { record: 'instance:slo_errors:rate5m', expr: bad('rate', now), labels: { slo } },
        ...longWindows.map((seconds) => ({
          record: increaseName(seconds),
          expr: bad('increase', { by: ['job'], window: duration(seconds) }),
          labels: { slo },
        })),
      ];
    }),
    ...['requests', 'errors'].map((part) => ({
      record: `job:slo_${part}:rate5m`,
      expr: `sum by (job, slo) (instance:slo_${part}:rate5m)`,
    })),
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
      zh: `${zh.name}的错误预算${end.zh.summary}`,
    },
    description: {
      en: `{{ $value | humanizePercentage }} of ${en} over <first> or <second>; the SLO allows <budget%>. At this rate the 30-day budget is used up ${end.en.when}.`,
      zh: `最近 <first>或 <second>有 {{ $value | humanizePercentage }} ${zh.failed}（SLO 允许 <budget%>）。按当前燃烧率，30 天的错误预算${end.zh.when}。`,
    },
  };
}

const sentences = {
  availability: {
    en: 'requests failed, were rejected or were given up after <above> s',
    zh: { name: '可用性', failed: '的请求失败、被拒绝，或等待超过 <above> 秒后放弃' },
  },
  latency: {
    en: 'requests waited more than <above> s for the first token',
    zh: { name: '首 token 延迟', failed: '的请求等待首 token 超过 <above> 秒' },
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
