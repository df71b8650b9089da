/** The lines of a plot by name, with their values: under the cursor, else the last. */
import type { VNode } from 'preact';
import { formatValue } from '../format.ts';
import { useTexts } from '../texts/texts.ts';
import type { Panel } from '../wire.ts';
import { colorOf } from './colors.ts';
import { toHeatRows, type Column, type Columns } from './columns.ts';

interface LegendProps {
  panel: Panel;
  columns: Columns;
  cursor: number | null;
}

export function Legend({ panel, columns, cursor }: LegendProps): VNode {
  const valueOf = (column: Column | undefined): number | null | undefined =>
    column?.[cursor ?? column.length - 1];
  return (
    <ul class="legend">
      {columns.names.map((name, index) => (
        <li key={name}>
          <i style={{ background: `var(${colorOf(name, index)})` }} />
          {name} <b>{formatValue(valueOf(columns.values[index]), panel.unit)}</b>
        </li>
      ))}
    </ul>
  );
}

/** Of a heatmap: the bucket that most fell into. */
export function HeatLegend({ panel, columns, cursor }: LegendProps): VNode {
  const t = useTexts();
  const { bounds, rows } = toHeatRows(columns);
  const at = cursor ?? columns.times.length - 1;
  const counts = rows.map((row) => row[at] ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const most = counts.indexOf(Math.max(...counts));
  const bound = (index: number): string => {
    const text = bounds[index] ?? '0';
    return text === '+Inf' ? '∞' : formatValue(Number(text), panel.unit);
  };
  return (
    <p class="legend">
      {total === 0
        ? t.heatNothing
        : t.heatMost(bound(most - 1), bound(most), Math.round((100 * counts[most]!) / total))}
    </p>
  );
}
