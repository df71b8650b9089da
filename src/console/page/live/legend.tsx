/** The lines of a plot by name, with their values: under the cursor, else the last. */
import type { VNode } from 'preact';
import type { PanelInfo, Thresholds } from '../../../../otel/panels/panel.ts';
import { formatValue } from '../format.ts';
import { useTexts } from '../texts/texts.ts';
import { colorOf } from './colors.ts';
import { toHeatRows, type Column, type Columns } from './columns.ts';

interface LegendProps {
  panel: PanelInfo;
  columns: Columns;
  cursor: number | null;
}

/** Of more lines than these, those that are zero all the time are only counted. */
const mostQuiet = 6;

export function Legend({ panel, columns, cursor }: LegendProps): VNode {
  const t = useTexts();
  const valueOf = (column: Column | undefined): number | null | undefined =>
    column?.[cursor ?? column.length - 1];
  const lines = columns.names.map((name, index) => ({ name, index }));
  const told = lines.length > mostQuiet ? lines.filter(isTold) : lines;
  function isTold({ index }: { index: number }): boolean {
    return columns.values[index]!.some((value) => value !== null && value !== 0);
  }
  return (
    <ul class="legend">
      {told.map(({ name, index }) => (
        <li key={name} title={name}>
          <i style={{ background: `var(${colorOf(name, index)})` }} />
          {shorten(name)} <b>{formatValue(valueOf(columns.values[index]), panel.unit)}</b>
        </li>
      ))}
      {told.length < lines.length && (
        <li>{t.zeroes(lines.length - told.length, told.length > 0)}</li>
      )}
      {panel.thresholds !== undefined && <Limits thresholds={panel.thresholds} unit={panel.unit} />}
    </ul>
  );
}

/** Prometheus names a group of rules by the path of its file. */
function shorten(name: string): string {
  return name.startsWith('/') ? name.slice(name.lastIndexOf('/') + 1) : name;
}

/** Where it gets orange or red, also where no line comes near. */
function Limits({ thresholds, unit }: { thresholds: Thresholds; unit: string }): VNode {
  const t = useTexts();
  const sign = thresholds.when === 'above' ? '≥' : '≤';
  const limits = (['orange', 'red'] as const).filter((level) => thresholds[level] !== undefined);
  return (
    <>
      {limits.map((level) => (
        <li key={level} class="limit">
          <i class={level} />
          <span class="unseen">{t.levels[level]}</span> {sign}{' '}
          {formatValue(thresholds[level], unit)}
        </li>
      ))}
    </>
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
