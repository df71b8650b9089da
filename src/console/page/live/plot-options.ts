/** uPlot's options and data for each kind of panel. */
import uPlot from 'uplot';
import type { PanelInfo, Thresholds } from '../../../../otel/panels/panel.ts';
import { formatShortTime } from '../format.ts';
import { labelBounds, labelTicks, stepsOf } from './axis-labels.ts';
import { colorOf, resolveColor, withAlpha } from './colors.ts';
import { lonePoints, stack, toHeatRows, type Columns } from './columns.ts';

export interface Drawing {
  options: Omit<uPlot.Options, 'width' | 'height'>;
  data: uPlot.AlignedData;
}

/** All plots share one cursor. */
const cursorKey = 'live';

export function toLines(panel: PanelInfo, columns: Columns, element: HTMLElement): Drawing {
  const stacked = panel.kind === 'stacked';
  const values = stacked ? stack(columns.values) : columns.values;
  const color = (name: string): string => resolveColor(element, name);
  const single = columns.names.length === 1;
  const lines = columns.names.map((name, index): uPlot.Series => {
    const stroke = color(colorOf(name, index));
    const limit = name.endsWith('limit');
    const fill = stacked ? 0.35 : single && !limit ? 0.12 : 0;
    return {
      label: name,
      stroke,
      width: 1.5,
      ...(limit ? { dash: [5, 4] } : {}),
      ...(fill > 0 && (!stacked || index === 0) ? { fill: withAlpha(stroke, fill) } : {}),
      // A line needs two points; a value between gaps is a dot.
      points: { show: false, size: 5, fill: stroke, filter: (u, at) => lonePoints(u.data[at]!) },
    };
  });
  // Fills the area between each line of a stack and the line below.
  const bands = columns.names.slice(1).map((name, index) => ({
    series: [index + 2, index + 1] as [number, number],
    fill: withAlpha(color(colorOf(name, index + 1)), 0.35),
  }));
  return {
    options: {
      ...frame(element),
      scales: { x: { time: true }, y: { range: (_, low, high) => toRange(low, high) } },
      axes: [timeAxis(element), valueAxis(element, panel.unit)],
      series: [{}, ...lines],
      ...(stacked ? { bands } : {}),
      hooks: {
        draw: panel.thresholds === undefined ? [] : [drawThresholds(panel.thresholds, element)],
      },
    },
    data: [columns.times, ...values],
  };
}

/** One row of cells for each bucket. The larger the count, the darker the cell. */
export function toHeatmap(panel: PanelInfo, columns: Columns, element: HTMLElement): Drawing {
  const { bounds, rows, most } = toHeatRows(columns);
  const ink = resolveColor(element, '--decode');
  const labels = labelBounds(bounds, panel.unit);
  const everyLabel = Math.ceil(bounds.length / 7);
  const drawCells = (u: uPlot): void => {
    const step = (columns.times[1] ?? 0) - (columns.times[0] ?? 0);
    u.ctx.save();
    for (const [row, cells] of rows.entries()) {
      const top = u.valToPos(row + 1, 'y', true);
      const depth = u.valToPos(row, 'y', true) - top;
      for (const [at, value] of cells.entries()) {
        if (value === 0) continue;
        const time = columns.times[at]!;
        const left = Math.max(u.bbox.left, u.valToPos(time - step / 2, 'x', true));
        const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(time + step / 2, 'x', true));
        // With the square root, small counts stay visible next to large counts.
        u.ctx.fillStyle = withAlpha(ink, 0.12 + 0.88 * Math.sqrt(value / most));
        u.ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, depth - 1));
      }
    }
    u.ctx.restore();
  };
  return {
    options: {
      ...frame(element),
      scales: { x: { time: true }, y: { range: () => [0, Math.max(1, bounds.length)] } },
      axes: [
        timeAxis(element),
        {
          ...valueAxis(element, panel.unit),
          splits: () => bounds.map((_, index) => index + 1),
          values: () => labels.map((label, at) => (at % everyLabel ? '' : label)),
        },
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { drawAxes: [drawCells] },
    },
    data: [columns.times, columns.times.map(() => 0)],
  };
}

/** The page's font size, which follows that of the browser, as a multiple of the usual one. Texts on a canvas know no rem. */
export function fontScale(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 14;
}

const minuteSteps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360].map((minutes) => minutes * 60);

function frame(element: HTMLElement): Pick<uPlot.Options, 'padding' | 'cursor'> {
  return {
    padding: [8, 16, 0, 0],
    cursor: {
      sync: { key: cursorKey, scales: ['x', null] },
      drag: { x: false, y: false },
      y: false,
      points: { size: 7, fill: resolveColor(element, '--surface') },
    },
  };
}

/** From zero, or from the lowest negative value, with a margin above. */
function toRange(low: number | null, high: number | null): [number, number] {
  const bottom = Math.min(0, low ?? 0);
  const top = Math.max(0, high ?? 0);
  return top === bottom ? [bottom, bottom + 1] : [bottom * 1.08, top * 1.1];
}

function axis(element: HTMLElement): uPlot.Axis {
  const line = { stroke: resolveColor(element, '--line'), width: 1 };
  return {
    stroke: resolveColor(element, '--muted'),
    font: `${Math.round(12 * fontScale())}px system-ui, sans-serif`,
    grid: line,
    ticks: { show: false },
  };
}

function timeAxis(element: HTMLElement): uPlot.Axis {
  return {
    ...axis(element),
    size: 24 * fontScale(),
    space: 52 * fontScale(),
    // Whole minutes, because the labels have no seconds.
    incrs: minuteSteps,
    grid: { show: false },
    values: (_, splits) => splits.map((time) => formatShortTime(time * 1000)),
  };
}

function valueAxis(element: HTMLElement, unit: string): uPlot.Axis {
  return {
    ...axis(element),
    size: 64 * fontScale(),
    space: 28 * fontScale(),
    incrs: stepsOf(unit),
    values: (_, splits) => labelTicks(splits, unit),
  };
}

/** Draws a dashed line at each threshold that lies within the plot. */
function drawThresholds(thresholds: Thresholds, element: HTMLElement): (u: uPlot) => void {
  const lines = (['red', 'orange'] as const).flatMap((name) =>
    thresholds[name] === undefined ? [] : [{ name, value: thresholds[name] }],
  );
  return (u) => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.setLineDash([4, 4]);
    u.ctx.lineWidth = Math.round(uPlot.pxRatio);
    // A line of odd width at a whole pixel would be blurred.
    const shift = (u.ctx.lineWidth % 2) / 2;
    for (const { name, value } of lines) {
      const y = Math.round(u.valToPos(value, 'y', true));
      if (y < top || y > top + height) continue;
      u.ctx.strokeStyle = resolveColor(element, `--${name}`);
      u.ctx.beginPath();
      u.ctx.moveTo(left, y + shift);
      u.ctx.lineTo(left + width, y + shift);
      u.ctx.stroke();
    }
    u.ctx.restore();
  };
}
