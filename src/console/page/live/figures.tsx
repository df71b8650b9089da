/** Panels of kind stat, gauge and info: a number, a ratio or a name. */
import type { VNode } from 'preact';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { PanelData, Series } from '../../server/answers.ts';
import { formatTime } from '../format.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { nameInWords } from './legend-words.ts';
import { lastValue, levelOf } from './levels.ts';
import { valueInWords } from './values.ts';

interface FiguresProps {
  panel: PanelInfo;
  data: PanelData;
}

export function Figures({ panel, data }: FiguresProps): VNode {
  const shown = data.series.filter(({ points }) => lastValue(points) !== null);
  if (shown.length === 0) return <EarlierValue panel={panel} data={data} />;
  return (
    <ul class={`figures ${panel.kind}`}>
      {shown.map((series) => (
        <Figure key={series.legend} panel={panel} series={series} />
      ))}
    </ul>
  );
}

/** No series has a value now. */
function EarlierValue({ panel, data }: FiguresProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const known = data.series.flatMap(({ points }) =>
    points.filter(([, value]) => value !== null).slice(-1),
  );
  const [at, value] = known.toSorted(([one], [other]) => other - one)[0] ?? [0, null];
  return (
    <p class="empty">{t.earlierValue(valueInWords(panel, value, pick), formatTime(at * 1000))}</p>
  );
}

function Figure({ panel, series }: { panel: PanelInfo; series: Series }): VNode {
  const pick = usePick();
  const value = lastValue(series.points)!;
  if (panel.kind === 'info') {
    return (
      <li>
        <strong class="name">{series.legend}</strong>
      </li>
    );
  }
  return (
    <li>
      <span class="figure">
        <strong class={levelOf(value, panel.thresholds)}>{valueInWords(panel, value, pick)}</strong>
        {series.legend !== '' && <span>{nameInWords(series.legend, pick)}</span>}
      </span>
      {panel.kind === 'gauge' ? (
        <meter min={0} max={1} value={value} aria-label={pick(panel.title)} />
      ) : (
        <Sparkline points={series.points} />
      )}
    </li>
  );
}

const width = 120;
const height = 24;

/** A line without axes. Gaps stay gaps, and a value between two gaps is a dot. */
function Sparkline({ points }: { points: readonly [number, number | null][] }): VNode | null {
  const parts = withoutGaps(points);
  const values = parts.flat().map(([, value]) => value);
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];
  const [from, to] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 1];
  if (values.length < 2 || to === from) return null;
  const x = (time: number): number => ((time - from) / (to - from)) * width;
  const y = (value: number): number =>
    height - 1 - ((value - low) / (high - low || 1)) * (height - 2);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {parts.map((part) => (
        <polyline
          key={part[0]![0]}
          // A line to its own start is a dot with round ends.
          points={[...part, part.at(-1)!]
            .map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`)
            .join(' ')}
        />
      ))}
    </svg>
  );
}

function withoutGaps(points: readonly [number, number | null][]): [number, number][][] {
  const parts: [number, number][][] = [];
  for (const [index, [time, value]] of points.entries()) {
    if (value === null) continue;
    if (index === 0 || points[index - 1]![1] === null) parts.push([]);
    parts.at(-1)!.push([time, value]);
  }
  return parts;
}
