/** What a rule is as data, and the links and words that every alert gets; used by the rule files' modules and `rules.ts`. */
import type { Text } from '../../otel/text.ts';
import type { Thresholds } from '../../otel/thresholds.ts';

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

export interface AlertText {
  summary: string;
  description: string;
}

export interface Alert extends Omit<AlertRule, 'annotations'> {
  /** What the linked graph draws: the expression without its bound. */
  graph: string;
  /** The summary holds no number, so that it stays true in a resolved message; the description has the value. */
  text: Record<keyof Text, AlertText>;
}

/** What a module writes its rules from: the numbers, and how long a number of seconds is in this rendering. */
export interface RuleContext {
  thresholds: Thresholds;
  /** `300` → `5m`, divided by the time scale. */
  duration: (seconds: number) => string;
  /** Plain seconds, divided by the time scale. */
  seconds: (seconds: number) => number;
}

/** `300` → `5m`, `86400` → `1d`, `2.5` → `2500ms`: the largest unit that stays whole. */
export function formatDuration(seconds: number): string {
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

const chineseUnits: Record<string, string> = {
  ms: '毫秒',
  s: '秒',
  m: '分钟',
  h: '小时',
  d: '天',
};

/** How a Chinese sentence says it: `5m` → `5 分钟`. */
export function inChinese(duration: string): string {
  return duration.replace(/[a-z]+$/, (unit) => ` ${chineseUnits[unit] ?? unit}`);
}

/** `0.05` → `5%`, without the noise of binary fractions. */
export function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(6))}%`;
}

export function withLinks(
  { graph, text, ...rule }: Alert,
  runbooksUrl: string,
  prometheusUrl: string,
): AlertRule {
  return {
    ...rule,
    annotations: {
      summary: text.en.summary,
      description: text.en.description,
      summary_zh: text.zh.summary,
      description_zh: text.zh.description,
      runbook_url: `${runbooksUrl}/${rule.alert}`,
      dashboard_url: `${prometheusUrl}/graph?g0.expr=${encodeURIComponent(graph)}&g0.tab=0&g0.range_input=1h`,
    },
  };
}
