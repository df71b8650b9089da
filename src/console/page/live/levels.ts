/** Compares values with the thresholds of a panel. */
import type { PanelKind, Thresholds } from '../../../../otel/panels/panel.ts';
import type { PanelData } from '../../server/answers.ts';

export type Level = 'good' | 'orange' | 'red';

export function levelOf(value: number | null | undefined, thresholds?: Thresholds): Level {
  if (value === null || value === undefined || thresholds === undefined) return 'good';
  const { red, orange, when } = thresholds;
  const past = (limit: number): boolean => (when === 'above' ? value >= limit : value <= limit);
  if (past(red)) return 'red';
  return orange !== undefined && past(orange) ? 'orange' : 'good';
}

/** The worst level of all series at the last step. */
export function worstLevel(data: PanelData | undefined, thresholds?: Thresholds): Level {
  const series = data?.series ?? [];
  const levels = new Set(series.map(({ points }) => levelOf(lastValue(points), thresholds)));
  if (levels.has('red')) return 'red';
  return levels.has('orange') ? 'orange' : 'good';
}

/** The value of the last step; null if that step has none, because an older value may be outdated. */
export function lastValue(points: readonly [number, number | null][]): number | null {
  return points.at(-1)?.[1] ?? null;
}

/** A heatmap of zeros has no cell to draw. */
export function hasValues({ series }: PanelData, kind: PanelKind): boolean {
  return series.some(({ points }) =>
    points.some(([, value]) => value !== null && (kind !== 'heatmap' || value > 0)),
  );
}
