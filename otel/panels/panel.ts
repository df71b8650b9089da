/** The type of a panel, and `definePanels` for the files in this folder. The console's page imports this file, so it must not import Node. */
import type { Text } from '../text.ts';

export interface PanelQuery {
  /** PromQL; `$instance` and `$model` are variables of the dashboard, both regular expressions. */
  expr: string;
  /** Name of each series: `{{label}}` is the value of a label. Empty for a panel with one series. */
  legend: string;
}

/** UCUM, as in `otel/names.ts`: seconds, bytes, a ratio, a multiple, a count of things, things per second. */
export type Unit = 's' | 'By' | '1' | 'x' | `{${string}}` | `{${string}}/s`;

/** `stacked` series add up to a whole; `info` shows the legend instead of the value. */
export type PanelKind = 'stat' | 'info' | 'gauge' | 'timeseries' | 'stacked' | 'heatmap';

/** The values of a panel before the first request: zero everywhere, a finite value, or no sample. A test checks them. */
export const idleSentences = {
  zero: { en: 'Idle: zero.', zh: '空闲时为 0。' },
  value: { en: 'Idle: the current value.', zh: '空闲时显示当前值。' },
  nothing: {
    en: 'Idle: empty while the window has no request.',
    zh: '空闲时无数据（时间窗口内没有请求）。',
  },
} as const satisfies Record<string, Text>;

export interface Thresholds {
  /** Values beyond this limit are red. In the panel's unit. */
  red: number;
  /** Values beyond this limit are orange: a warning. */
  orange?: number;
  /** Whether values above or below the limits are bad. */
  when: 'above' | 'below';
}

/** A panel in the answer of GET /api/panels. */
export type PanelInfo = Omit<Panel, 'queries'>;

export interface Panel {
  /** Unique over all dashboards; the id in GET /api/panels/{id}. */
  id: string;
  title: Text;
  /** One sentence: what the panel shows. */
  meaning: Text;
  kind: PanelKind;
  unit: Unit;
  queries: readonly PanelQuery[];
  idle: keyof typeof idleSentences;
  thresholds?: Thresholds;
  /** Action for a red panel, and the name of its runbook in `alerting/runbooks/`. Required with `thresholds`. */
  whenRed?: Text & { runbook: string };
  /**
   * Words shown on the page instead of a value below 0, which is what is left of a budget: `{times}` is how often the whole budget was
   * spent.
   */
  overspent?: Text;
  /** Words shown instead of values: `{ '1': { en: 'ready', … } }`. */
  words?: Readonly<Record<string, Text>>;
}

/** `queries` is PromQL by legend, or the query of a panel with one series. */
export type PanelEntry = Omit<Panel, 'id' | 'queries'> & {
  queries: string | Record<string, string>;
};

/** The id of a panel is its key in kebab-case. */
export function definePanels<Key extends string>(
  entries: Record<Key, PanelEntry>,
): Record<Key, Panel> {
  const panels = Object.entries<PanelEntry>(entries).map(([key, { queries, ...panel }]) => {
    const id = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const byLegend = typeof queries === 'string' ? { '': queries } : queries;
    const list = Object.entries(byLegend).map(([legend, expr]) => ({ expr, legend }));
    return [key, { id, queries: list, ...panel }];
  });
  return Object.fromEntries(panels);
}
