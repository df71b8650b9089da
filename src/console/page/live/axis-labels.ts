/** The labels of a value axis: one unit for all of them, and whole numbers for counts. */
import { formatBound, formatNumber, formatValue } from '../format.ts';

interface Scale {
  /** Applies to values from here on. */
  from: number;
  suffix: string;
}

const scales: Record<string, readonly Scale[]> = {
  s: [
    { from: 3600, suffix: ' h' },
    { from: 60, suffix: ' min' },
    { from: 1, suffix: ' s' },
    { from: 1e-3, suffix: ' ms' },
    { from: 1e-6, suffix: ' µs' },
  ],
  By: [40, 30, 20, 10, 0].map((power, index) => ({
    from: 2 ** power,
    suffix: [' TiB', ' GiB', ' MiB', ' KiB', ' B'][index]!,
  })),
};

/** @param values of the ticks, ascending */
export function labelTicks(values: readonly number[], unit: string): string[] {
  const most = Math.max(...values.map(Math.abs));
  const step = Math.abs((values[1] ?? 0) - (values[0] ?? 0)) || most;
  const scale = scales[unit]?.find(({ from, suffix }) =>
    // Minutes and hours only if the ticks are whole ones.
    from >= 60 && unit === 's' ? step >= from && suffix !== '' : most >= from,
  );
  if (scale !== undefined) return values.map((value) => toText(value / scale.from) + scale.suffix);
  if (unit === 's' || unit === 'By') return values.map((value) => formatValue(value, unit));
  if (unit === '1' || unit === 'x') return values.map((value) => formatValue(value, unit));
  const suffix = unit.endsWith('/s') ? '/s' : '';
  const [size, letter] = most >= 1e6 ? [1e6, 'M'] : most >= 1e4 ? [1e3, 'k'] : [1, ''];
  return values.map((value) => toText(value / size) + letter + suffix);
}

function toText(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** The bounds of a heatmap's buckets in one unit: that of the largest. */
export function labelBounds(bounds: readonly string[], unit: string): string[] {
  const largest = Math.max(...bounds.map(Number).filter(Number.isFinite));
  if (unit !== 's' || largest < 1) return bounds.map((bound) => formatBound(bound, unit));
  return bounds.map((bound) => (bound === '+Inf' ? '∞' : `${formatNumber(Number(bound))} s`));
}

const decimalSteps = Array.from({ length: 16 }, (_, power) =>
  [1, 2, 5].map((digit) => Number(`${digit}e${power - 6}`)),
).flat();
const wholeSteps = decimalSteps.filter((step) => step >= 1);
/** Seconds, minutes and hours. */
const clockSteps = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
const secondSteps = [...decimalSteps.filter((step) => step <= 10), ...clockSteps];
/** Powers of two are round numbers in MiB. */
const byteSteps = Array.from({ length: 42 }, (_, power) => 2 ** power);

/** The steps between two ticks that an axis chooses from. */
export function stepsOf(unit: string): number[] {
  if (unit === 'By') return byteSteps;
  if (unit === 's') return secondSteps;
  return unit.startsWith('{') && !unit.endsWith('/s') ? wholeSteps : decimalSteps;
}
