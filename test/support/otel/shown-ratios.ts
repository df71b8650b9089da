/** Every ratio of requests, streams or prompt tokens that a panel, rule or page shows. */
import { ruleFiles, writeRuleFile } from '../../../alerting/rules.ts';
import { panels } from '../../../otel/panels/dashboards.ts';
import { defaultThresholds, errorBudget, type Thresholds } from '../../../otel/thresholds.ts';
import { operandsOf } from './prometheus-grammar.ts';
import { pages, queriesOfPage, queriesOfPanel, queriesOfRules } from './prometheus-queries.ts';
import { readText } from './prometheus-series.ts';

export type RatioName = 'availability' | 'latency' | 'capacity' | 'status' | 'stalled' | 'cached';

export interface ShownRatio {
  /** Such as `panel success-ratio`. */
  where: string;
  expr: string;
  /** Undefined: both SLOs, told apart by the label `slo` of the result. */
  ratio: RatioName | undefined;
  /** The value, for a share of bad requests. */
  of: (bad: number) => number;
}

const budget = errorBudget(defaultThresholds.slo.objective);

const counts =
  /inference_requests_total|http_requests_total|stream_terminations|slo_(errors|requests)|cached_input|time_to_first_token_seconds_count|unanswered/;

/** @throws Error for a ratio that no test compares. */
export function shownRatios(thresholds: Thresholds): ShownRatio[] {
  const queries = [
    ...panels.flatMap(queriesOfPanel),
    ...ruleFiles({ thresholds }).flatMap((file) =>
      queriesOfRules(`${file.name}.yml`, writeRuleFile(file)),
    ),
    ...pages.flatMap((page) => queriesOfPage(page, readText(page))),
  ];
  const found = queries.flatMap(({ where, expr }) =>
    operandsOf(expr).map((operand) => ({ where, expr: operand })),
  );
  const ratios = found.filter(
    ({ expr }) => counts.test(expr) && (/ \/ /.test(expr) || expr.includes(':ratio_rate')),
  );
  const unique = new Map(ratios.map((each) => [each.expr, each]));
  return [...unique.values()].map(({ where, expr }) => ({
    where,
    expr,
    ratio: nameOf(where, expr),
    of: scaleOf(expr),
  }));
}

function nameOf(where: string, expr: string): RatioName | undefined {
  const slo = /slo="(availability|latency)"/.exec(expr)?.[1] as RatioName | undefined;
  if (slo !== undefined) return slo;
  if (/:slo_errors:/.test(expr)) return undefined;
  if (expr.includes('http_requests_total')) return 'status';
  if (expr.includes('stream_terminations')) return 'stalled';
  if (expr.includes('cached_input')) return 'cached';
  if (/reason=~"not_ready\|queue_full\|queue_timeout"/.test(expr)) return 'capacity';
  throw new Error(`${where}: a ratio that otel/outcomes.ts does not know: ${expr}`);
}

function scaleOf(expr: string): ShownRatio['of'] {
  const isPerBudget = expr.endsWith(` / ${budget}`);
  return (bad) => {
    const value = isPerBudget ? bad / budget : bad;
    return expr.startsWith('1 - ') ? 1 - value : value;
  };
}
