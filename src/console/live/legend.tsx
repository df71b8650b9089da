/** The lines of a plot by name, with their values: under the cursor, else the last. */
import type { VNode } from 'preact';
import { formatValue } from '../format.ts';
import type { Panel } from '../wire.ts';
import { colorOf } from './colors.ts';
import type { Column, Columns } from './columns.ts';

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
