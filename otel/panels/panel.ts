/** What a panel is: the shape of every entry in the files beside this one, which `otel/panels/dashboards.ts` lays out. */

import type { Text } from '../text.ts';

export interface PanelQuery {
  /** PromQL; `$instance` and `$model` are the dashboard's variables, regular expressions both. */
  expr: string;
  /** The name of each line: `{{label}}` is the value of a label; empty for the only line of a panel. */
  legend: string;
}

/** UCUM, as in `otel/names.ts`: seconds, bytes, a ratio, a multiple, a count of something, something a second. */
export type Unit = 's' | 'By' | '1' | 'x' | `{${string}}` | `{${string}}/s`;

/** How a panel is drawn: `stacked` lines add up to a whole, `info` shows the legend in place of the value. */
export type PanelKind = 'stat' | 'info' | 'gauge' | 'timeseries' | 'stacked' | 'heatmap';

/**
 * What a panel shows of a service that has had no request yet, by what a test finds there: zero everywhere, some
 * finite value, or no sample at all.
 */
export const idleSentences = {
  zero: { en: 'Idle: zero.', zh: '空闲时为零。' },
  value: { en: 'Idle: the present value, as always.', zh: '空闲时照常显示当前值。' },
  nothing: {
    en: 'Idle: empty, unless there was a request in the time that it looks back on.',
    zh: '空闲时为空，除非回看的时间内有过请求。',
  },
} as const satisfies Record<string, Text>;

export interface Thresholds {
  /** Red from this value on, in the panel's unit. */
  red: number;
  /** A warning from this value on. */
  orange?: number;
  /** On which side of the numbers trouble lies. */
  when: 'above' | 'below';
}

/** A panel as clients of the console's API get it. */
export type PanelInfo = Omit<Panel, 'queries'>;

export interface Panel {
  /** Kebab-case, unique over all dashboards: what the console asks for. */
  id: string;
  title: Text;
  /** One sentence: the question that it answers. */
  meaning: Text;
  kind: PanelKind;
  unit: Unit;
  queries: readonly PanelQuery[];
  idle: keyof typeof idleSentences;
  thresholds?: Thresholds;
  /** What to do then, and the page under `alerting/runbooks/` that says more. Wherever there are thresholds. */
  whenRed?: Text & { runbook: string };
  /** Words in place of numbers: `{ '1': { en: 'ready', … } }`. */
  words?: Readonly<Record<string, Text>>;
}
