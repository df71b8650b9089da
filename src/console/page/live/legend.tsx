/** The series of a plot with their values: the value under the cursor, else the last value. */
import type { VNode } from 'preact';
import type { PanelInfo, Thresholds } from '../../../../otel/panels/panel.ts';
import { formatBound, formatValue } from '../format.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { colorOf } from './colors.ts';
import { toHeatRows, type Column, type Columns } from './columns.ts';
import { nameInWords } from './legend-words.ts';
import { valueInWords } from './values.ts';

interface LegendProps {
  panel: PanelInfo;
  columns: Columns;
  cursor: number | null;
}

/** With more series than this, the legend shows only the number of series that are always zero. */
const maxZeroSeries = 6;

export function Legend({ panel, columns, cursor }: LegendProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const valueOf = (column: Column): number | null | undefined =>
    column[cursor ?? column.length - 1];
  const all = columns.names.map((name, index) => ({ name, values: columns.values[index]!, index }));
  const shown =
    all.length > maxZeroSeries
      ? all.filter(({ values }) => values.some((value) => value !== null && value !== 0))
      : all;
  return (
    <ul class="legend">
      {shown.map(({ name, values, index }) => (
        <li key={name} title={name}>
          <i style={{ background: `var(${colorOf(name, index)})` }} />
          {nameInWords(shorten(name), pick)} <b>{valueInWords(panel, valueOf(values), pick)}</b>
        </li>
      ))}
      {shown.length < all.length && (
        <li>{t.zeroes(all.length - shown.length, shown.length > 0)}</li>
      )}
      {panel.thresholds !== undefined && <Limits thresholds={panel.thresholds} unit={panel.unit} />}
    </ul>
  );
}

/** Shows only the file of a rule group, which Prometheus names by the path of its file. */
function shorten(name: string): string {
  return name.startsWith('/') ? name.slice(name.lastIndexOf('/') + 1) : name;
}

/** Lists the thresholds even if no value is near them. */
function Limits({ thresholds, unit }: { thresholds: Thresholds; unit: string }): VNode {
  const t = useTexts();
  const sign = thresholds.when === 'above' ? '≥' : '≤';
  const limits = (['orange', 'red'] as const).filter((level) => thresholds[level] !== undefined);
  return (
    <>
      {limits.map((level) => (
        <li key={level} class="limit">
          <i class={level} />
          {t.levels[level]} {sign} {formatValue(thresholds[level], unit)}
        </li>
      ))}
    </>
  );
}

/** The largest bucket of a heatmap. */
export function HeatLegend({ panel, columns, cursor }: LegendProps): VNode {
  const t = useTexts();
  const { bounds, rows } = toHeatRows(columns);
  const at = cursor ?? columns.times.length - 1;
  const counts = rows.map((row) => row[at] ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const most = counts.indexOf(Math.max(...counts));
  const bound = (index: number): string => formatBound(bounds[index] ?? '0', panel.unit);
  return (
    <p class="legend">
      {total === 0
        ? t.heatNothing
        : t.heatMost(bound(most - 1), bound(most), Math.round((100 * counts[most]!) / total))}
    </p>
  );
}
