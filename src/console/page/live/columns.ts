/** Panel data in uPlot's form: one column of times, and one column of values for each series, with null for gaps. */
import type { PanelData, Series } from '../../server/answers.ts';

export type Column = (number | null)[];

export interface Columns {
  /** Epoch seconds, one every step. */
  times: number[];
  names: string[];
  values: Column[];
}

export function toColumns({ from, to, stepSeconds, series }: PanelData): Columns {
  const count = Math.max(1, Math.round((to - from) / stepSeconds) + 1);
  const times = Array.from({ length: count }, (_, index) => from + index * stepSeconds);
  const toColumn = ({ points }: Series): Column => {
    const column: Column = Array.from({ length: count }, () => null);
    for (const [time, value] of points) {
      const index = Math.round((time - from) / stepSeconds);
      if (index >= 0 && index < count) column[index] = value;
    }
    return column;
  };
  return {
    times,
    names: series.map(({ legend }) => legend),
    values: series.map(toColumn),
  };
}

/** Adds each column to the sum of those before it. A gap counts as 0 if another column has a value there. */
export function stack(values: readonly Column[]): Column[] {
  const sums: Column = (values[0] ?? []).map(() => null);
  return values.map((column) =>
    column.map((value, index) => {
      if (value !== null) sums[index] = (sums[index] ?? 0) + value;
      return sums[index] ?? null;
    }),
  );
}

export interface HeatRows {
  /** Upper bounds, from one below the first to the last bucket that is not empty. */
  bounds: string[];
  rows: number[][];
  most: number;
}

/** Turns cumulative buckets into counts of each bucket. */
export function toHeatRows({ names, values, times }: Columns): HeatRows {
  const order = names
    .map((name, index) => ({ bound: toBound(name), index }))
    .toSorted((a, b) => a.bound - b.bound);
  const rows = order.map(({ index }, rank) => {
    const below = rank === 0 ? undefined : values[order[rank - 1]!.index];
    return times.map((_, at) => Math.max(0, (values[index]?.[at] ?? 0) - (below?.[at] ?? 0)));
  });
  const used = rows.map((row) => row.some((value) => value > 0));
  const first = Math.max(0, used.indexOf(true) - 1);
  const last = used.lastIndexOf(true) + 1;
  const shown = rows.slice(first, last);
  return {
    bounds: order.slice(first, last).map(({ index }) => names[index]!),
    rows: shown,
    most: Math.max(0, ...shown.flat()),
  };
}

function toBound(le: string): number {
  return le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
}
