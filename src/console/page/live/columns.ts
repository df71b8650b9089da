/** Panel data in uPlot's form: one column of times, and one column of values for each series, with null for gaps. */
import type { PanelData } from '../../server/answers.ts';

export type Column = (number | null)[];

export interface Columns {
  /** Epoch seconds, one every step. */
  times: number[];
  names: string[];
  values: Column[];
}

/** All series of a panel have their points at the same times. */
export function toColumns({ series }: PanelData): Columns {
  return {
    times: series[0]?.points.map(([time]) => time) ?? [],
    names: series.map(({ legend }) => legend),
    values: series.map(({ points }) => points.map(([, value]) => value)),
  };
}

/** Adds to each column the sum of the columns before it. A gap counts as 0 if another column has a value there. */
export function stack(values: readonly Column[]): Column[] {
  const sums: Column = (values[0] ?? []).map(() => null);
  return values.map((column) =>
    column.map((value, index) => {
      if (value !== null) sums[index] = (sums[index] ?? 0) + value;
      return sums[index] ?? null;
    }),
  );
}

/** The indices of values between two gaps. */
export function lonePoints(column: ArrayLike<number | null | undefined>): number[] {
  const isKnown = (index: number): boolean => typeof column[index] === 'number';
  return Array.from(column, (_, index) => index).filter(
    (index) => isKnown(index) && !isKnown(index - 1) && !isKnown(index + 1),
  );
}

export interface HeatRows {
  /** Upper bounds, from one below the first to the last bucket that is not empty. */
  bounds: string[];
  rows: number[][];
  most: number;
}

/** Turns the series of a heatmap, which are cumulative buckets, into counts of each bucket. */
export function toHeatRows({ names, values, times }: Columns): HeatRows {
  const rows = values.map((column, index) =>
    times.map((_, at) => Math.max(0, (column[at] ?? 0) - (values[index - 1]?.[at] ?? 0))),
  );
  const used = rows.map((row) => row.some((value) => value > 0));
  const first = Math.max(0, used.indexOf(true) - 1);
  const last = used.lastIndexOf(true) + 1;
  const shown = rows.slice(first, last);
  return {
    bounds: names.slice(first, last),
    rows: shown,
    most: Math.max(0, ...shown.flat()),
  };
}
