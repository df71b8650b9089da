/** One panel: title, plot or figures, and what to do when it is red. Requests data only while it is visible. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { PanelData } from '../../server/answers.ts';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { Figures } from './figures.tsx';
import { nameInWords } from './legend-words.ts';
import { hasValues, lastValue, worstLevel } from './levels.ts';
import { Plot } from './plot.tsx';
import { valueInWords } from './values.ts';

export const usualHeight = 150;

interface PanelCardProps {
  panel: PanelInfo;
  minutes: number;
  everySeconds: number;
  /** The address of this panel alone. */
  href?: string;
  /** Of a plot, in CSS pixels at the usual font size. */
  height?: number;
}

export function PanelCard(props: PanelCardProps): VNode {
  const { panel, minutes, everySeconds } = props;
  const { href = linkTo('live', undefined, { panel: panel.id }), height = usualHeight } = props;
  const pick = usePick();
  const card = useRef<HTMLElement>(null);
  const isVisible = useVisible(card);
  const path = `/api/panels/${panel.id}?minutes=${minutes}`;
  const polled = usePolled<PanelData>(isVisible ? path : undefined, everySeconds);
  // Kept while the card is hidden and while another time range loads.
  const last = useRef<PanelData>(undefined);
  last.current = polled.value ?? last.current;
  const data = last.current;
  const level = worstLevel(data, panel.thresholds);
  return (
    <section
      ref={card}
      class={`panel card ${panel.kind} ${level}`}
      data-panel={panel.id}
      aria-labelledby={`title-${panel.id}`}
      aria-busy={isVisible && polled.value === undefined}
    >
      <h3 id={`title-${panel.id}`}>
        <a href={href}>{pick(panel.title)}</a>
      </h3>
      <p class="meaning">{pick(panel.meaning)}</p>
      <StaleNote polled={polled} short />
      {data !== undefined && <PanelContent panel={panel} data={data} height={height} />}
      {level === 'red' && panel.whenRed !== undefined && (
        <p class="when-red">
          {pick(panel.whenRed)}{' '}
          <a href={linkTo('runbooks', panel.whenRed.runbook)}>{panel.whenRed.runbook}</a>
        </p>
      )}
    </section>
  );
}

interface PanelContentProps {
  panel: PanelInfo;
  data: PanelData;
  height: number;
}

function PanelContent({ panel, data, height }: PanelContentProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const isPlotted = ['timeseries', 'stacked', 'heatmap'].includes(panel.kind);
  if (!hasValues(data, panel.kind)) {
    // WithoutPrometheus gives the reason once, above all panels.
    return <p class="empty">{data.source === 'none' ? t.needsPrometheus : t.noData}</p>;
  }
  if (!isPlotted) return <Figures panel={panel} data={data} />;
  const values = data.series.map(
    ({ legend, points }) =>
      `${nameInWords(legend, pick)} ${valueInWords(panel, lastValue(points), pick)}`,
  );
  const label = t.plotLabel(pick(panel.title), panel.kind === 'heatmap' ? '' : values.join(', '));
  return <Plot panel={panel} data={data} label={label} height={height} />;
}

/** Whether the element is on the screen or within 200 px of it. */
function useVisible(element: { current: HTMLElement | null }): boolean {
  const [isVisible, setVisible] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => setVisible(entries.at(-1)?.isIntersecting === true),
      { rootMargin: '200px' },
    );
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return isVisible;
}
