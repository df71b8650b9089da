/** A panel drawn with uPlot: lines, stacks, heatmaps, thresholds, and exemplars as dots that link to their trace. */
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { Exemplar, PanelData } from '../../server/answers.ts';
import { formatTime, formatValue } from '../format.ts';
import { language, theme } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { createStore, useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { toColumns, type Columns } from './columns.ts';
import { HeatLegend, Legend } from './legend.tsx';
import { fontScale, toHeatmap, toLines, type Drawing } from './plot-options.ts';

const maxDots = 24;

const darkScheme = matchMedia('(prefers-color-scheme: dark)');
const prefersDark = createStore(darkScheme.matches);
darkScheme.addEventListener('change', () => prefersDark.set(darkScheme.matches));

interface PlotProps {
  panel: PanelInfo;
  data: PanelData;
  label: string;
  /** Of the canvas, in CSS pixels at the usual font size. */
  height: number;
}

interface Dot {
  exemplar: Exemplar;
  left: number;
  top: number;
}

export function Plot({ panel, data, label, height: usualHeight }: PlotProps): VNode {
  const container = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [cursor, setCursor] = useState<number | null>(null);
  const [dots, setDots] = useState<Dot[]>([]);
  const exemplars = useRef<readonly Exemplar[]>([]);
  // A heatmap has rows instead of a value axis, so an exemplar has no position in it.
  exemplars.current = panel.kind === 'heatmap' ? [] : data.exemplars;
  const appearance = `${useStore(theme)} ${useStore(language)} ${useStore(prefersDark)}`;
  const columns = toColumns(data);
  const height = Math.round(usualHeight * fontScale());
  // Create a new plot only for other series or colors; new values reuse the plot.
  const shape = `${appearance} ${height} ${panel.id} ${panel.kind === 'heatmap' ? '' : columns.names.join('\n')}`;
  const draw = (element: HTMLElement): Drawing =>
    panel.kind === 'heatmap'
      ? toHeatmap(panel, columns, element)
      : toLines(panel, columns, element);
  // A plot has its new scales only when it draws, so dots are placed then.
  const placeDots = (u: uPlot): void => setDots(toDots(u, exemplars.current));

  useLayoutEffect(() => {
    const element = container.current!;
    const { options, data: drawn } = draw(element);
    const u = new uPlot(
      {
        ...options,
        width: element.clientWidth,
        height,
        legend: { show: false },
        hooks: {
          ...options.hooks,
          draw: [...(options.hooks?.draw ?? []), placeDots],
          setCursor: [(self) => setCursor(self.cursor.idx ?? null)],
        },
      },
      drawn,
      element,
    );
    plot.current = u;
    const resize = new ResizeObserver(() => u.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      u.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    const u = plot.current;
    if (u === undefined) return;
    const { options, data: drawn } = draw(container.current!);
    // `setData` calls the hooks, which draw the new values.
    u.hooks.drawAxes = options.hooks?.drawAxes ?? [];
    u.hooks.draw = [...(options.hooks?.draw ?? []), placeDots];
    u.setData(drawn);
  }, [data, shape]);

  return (
    <figure class="plot">
      <div
        class="plot-area"
        ref={container}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={label}
        tabIndex={0}
        onKeyDown={(event) => moveCursor(plot.current, event)}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
      <Dots dots={dots} unit={panel.unit} />
      <Hover columns={columns} cursor={cursor} />
      {panel.kind === 'heatmap' ? (
        <HeatLegend panel={panel} columns={columns} cursor={cursor} />
      ) : (
        <Legend panel={panel} columns={columns} cursor={cursor} />
      )}
    </figure>
  );
}

function Hover({ columns, cursor }: { columns: Columns; cursor: number | null }): VNode | null {
  const time = cursor === null ? undefined : columns.times[cursor];
  return time === undefined ? null : <time class="plot-time">{formatTime(time * 1000)}</time>;
}

function Dots({ dots, unit }: { dots: readonly Dot[]; unit: string }): VNode {
  const t = useTexts();
  return (
    <>
      {dots.map(({ exemplar: { at, value, traceId }, left, top }) => {
        const label = t.exemplar(formatValue(value, unit), formatTime(at * 1000));
        return (
          <a
            key={`${traceId} ${at}`}
            class="exemplar"
            href={linkTo('traces', traceId)}
            aria-label={label}
            title={label}
            style={{ left: `${left}px`, top: `${top}px` }}
          />
        );
      })}
    </>
  );
}

/** The positions of the largest exemplars. Values above the plot are shown at its top; the largest is drawn last, over the others. */
function toDots(u: uPlot, exemplars: readonly Exemplar[]): Dot[] {
  const { left, top, width, height: depth } = u.bbox;
  const scale = uPlot.pxRatio;
  return exemplars
    .toSorted((a, b) => b.value - a.value)
    .slice(0, maxDots)
    .toReversed()
    .map((exemplar) => ({
      exemplar,
      left: left / scale + u.valToPos(exemplar.at, 'x'),
      top: top / scale + Math.max(0, u.valToPos(exemplar.value, 'y')),
    }))
    .filter((dot) => dot.left >= left / scale && dot.left <= (left + width) / scale)
    .filter((dot) => dot.top <= (top + depth) / scale);
}

/** Arrow keys move the cursor, as hovering does. */
function moveCursor(u: uPlot | undefined, event: KeyboardEvent): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (u === undefined || step === undefined) return;
  event.preventDefault();
  const last = u.data[0].length - 1;
  const index = Math.min(last, Math.max(0, (u.cursor.idx ?? last + 1) + step));
  u.setCursor({ left: u.valToPos(u.data[0][index]!, 'x'), top: 0 });
}
