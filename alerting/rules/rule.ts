/** The types of rules, and the function that adds texts and links to alerts. Used by `rules.ts` and the files in this folder. */
import { actions } from './actions.ts';
import type { Text } from '../../otel/text.ts';
import type { Threshold, Thresholds } from '../../otel/thresholds.ts';

export interface RecordingRule {
  record: string;
  expr: string;
  labels?: Record<string, string>;
}

export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/**
 * `graph`, `expr` and `description` hold numbers of the threshold: `<window>`, `<for>`, `<above>`, or `<above%>` as a percentage.
 * `numbers` adds further placeholders.
 */
export interface Alert {
  alert: string;
  /** The alert's row in `otel/thresholds.ts`; by default the row with the name of the alert. */
  threshold?: keyof Thresholds;
  /** An alert over a whole job sets `job` itself, because Alertmanager inhibits by that label. */
  labels: { severity: 'critical' | 'warning' | 'none'; job?: string } & Record<string, string>;
  /** The query behind the alert's link: the expression without its bound. */
  graph: string;
  /** `<graph>` stands for the query above. */
  expr?: string;
  /** The summary contains no numbers, so that it is still true in a resolved message. */
  summary: Text;
  description: Text;
  numbers?: (context: RuleContext) => Record<string, string | number>;
}

/** Numbers and time scale of one set of rules. */
export interface RuleContext {
  thresholds: Thresholds;
  /** `300` → `5m`, divided by the time scale. */
  duration: (seconds: number) => string;
  /** Seconds divided by the time scale. */
  seconds: (seconds: number) => number;
}

/** @param urls of the runbook pages and of Prometheus */
export function toRule(
  alert: Alert,
  context: RuleContext,
  urls: { runbooks: string; prometheus: string },
): AlertRule {
  const { alert: name, expr = '<graph> > <above>', labels, summary, description } = alert;
  const { threshold: row = name.charAt(0).toLowerCase() + name.slice(1) } = alert;
  const thresholds: Record<string, Threshold> = context.thresholds;
  const threshold = thresholds[row] ?? {};
  const { windowSeconds = 0, forSeconds = 0 } = threshold;
  const durations = { window: context.duration(windowSeconds), for: context.duration(forSeconds) };
  const values = { ...threshold, ...durations, ...alert.numbers?.(context) };
  const graph = fill(alert.graph, values, String);
  const action = actions.get(name);
  return {
    alert: name,
    expr: fill(expr, { ...values, graph }, String),
    ...(forSeconds > 0 && { for: durations.for }),
    labels,
    annotations: {
      summary: summary.en,
      description: fill(description.en, values, String),
      summary_zh: summary.zh,
      description_zh: fill(description.zh, values, toChinese),
      ...(action !== undefined && { action_en: action, action_zh: action }),
      runbook_url: `${urls.runbooks}/${name}`,
      dashboard_url: `${urls.prometheus}/graph?g0.expr=${encodeURIComponent(graph)}&g0.tab=0&g0.range_input=1h`,
    },
  };
}

/** @throws RangeError for a name without a value. */
function fill(
  text: string,
  values: Record<string, unknown>,
  write: (value: unknown) => string,
): string {
  return text.replaceAll(/<(\w+)(%?)>/g, (placeholder, name: string, sign: string) => {
    if (values[name] === undefined) throw new RangeError(`${placeholder}: no such number: ${text}`);
    // Rounded, because 0.07 * 100 is 7.000000000000001.
    return sign ? `${Number((Number(values[name]) * 100).toPrecision(6))}%` : write(values[name]);
  });
}

const chineseUnits = { ms: '毫秒', s: '秒', m: '分钟', h: '小时', d: '天' };

/** `5m` → `5 分钟`; numbers stay. */
function toChinese(value: unknown): string {
  return String(value).replace(
    /(?<=^\d+)(ms|[smhd])$/,
    (unit) => ` ${chineseUnits[unit as keyof typeof chineseUnits]}`,
  );
}

/** Seconds as Prometheus writes a duration, in the largest unit that stays whole: `300` → `5m`, `2.5` → `2500ms`. */
export function toPromDuration(seconds: number): string {
  if (!Number.isInteger(seconds)) return `${Math.ceil(seconds * 1000)}ms`;
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
  ] as const;
  for (const [size, unit] of units) {
    if (seconds !== 0 && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}
