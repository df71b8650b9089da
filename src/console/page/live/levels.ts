/** Whether a value is past a panel's thresholds. */
import type { Thresholds } from '../../../../otel/panels/panel.ts';
import type { PanelData } from '../../server/answers.ts';

export type Level = 'good' | 'orange' | 'red';

export function levelOf(value: number | null | undefined, thresholds?: Thresholds): Level {
  if (value === null || value === undefined || thresholds === undefined) return 'good';
  const { red, orange, when } = thresholds;
  const past = (limit: number): boolean => (when === 'above' ? value >= limit : value <= limit);
  if (past(red)) return 'red';
  return orange !== undefined && past(orange) ? 'orange' : 'good';
}

/** Of the lines as they are now. */
export function worstLevel(answer: PanelData | undefined, thresholds?: Thresholds): Level {
  const series = answer?.series ?? [];
  const levels = new Set(series.map(({ points }) => levelOf(lastValue(points), thresholds)));
  if (levels.has('red')) return 'red';
  return levels.has('orange') ? 'orange' : 'good';
}

/** Null where the last is none: what was true an hour ago is not told as true now. */
export function lastValue(points: readonly [number, number | null][]): number | null {
  return points.at(-1)?.[1] ?? null;
}

export function hasValues(answer: PanelData): boolean {
  return answer.series.some(({ points }) => points.some(([, value]) => value !== null));
}
