/** One panel: title, plot or figures, and what to do when it is red. Requests data only while it is visible. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { PanelData } from '../../server/answers.ts';
import { FailureMessage } from '../failure-message.tsx';
import { formatValue } from '../format.ts';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { Figures } from './figures.tsx';
import { hasValues, lastValue, worstLevel } from './levels.ts';
import { Plot } from './plot.tsx';

interface PanelCardProps {
  panel: PanelInfo;
  minutes: number;
  everySeconds: number;
}

export function PanelCard({ panel, minutes, everySeconds }: PanelCardProps): VNode {
  const pick = usePick();
  const card = useRef<HTMLElement>(null);
  const isVisible = useVisible(card);
  const path = `/api/panels/${panel.id}?minutes=${minutes}`;
  const { value, failure } = usePolled<PanelData>(isVisible ? path : undefined, everySeconds);
  // Kept while the card is hidden and while another time range loads.
  const last = useRef<PanelData>(undefined);
  last.current = value ?? last.current;
  const data = last.current;
  const level = worstLevel(data, panel.thresholds);
  return (
    <section
      ref={card}
      class={`panel card ${panel.kind} ${level}`}
      data-panel={panel.id}
      aria-labelledby={`title-${panel.id}`}
    >
      <h3 id={`title-${panel.id}`}>{pick(panel.title)}</h3>
      <p class="meaning">{pick(panel.meaning)}</p>
      <FailureMessage failure={failure} />
      {data !== undefined && <PanelContent panel={panel} data={data} />}
      {level === 'red' && panel.whenRed !== undefined && (
        <p class="when-red">
          {pick(panel.whenRed)}{' '}
          <a href={linkTo('runbooks', panel.whenRed.runbook)}>{panel.whenRed.runbook}</a>
        </p>
      )}
    </section>
  );
}

function PanelContent({ panel, data }: { panel: PanelInfo; data: PanelData }): VNode {
  const t = useTexts();
  const pick = usePick();
  const isPlotted = ['timeseries', 'stacked', 'heatmap'].includes(panel.kind);
  if (!hasValues(data)) {
    // WithoutPrometheus gives the reason once, above all panels.
    return <p class="empty">{data.source === 'none' ? t.needsPrometheus : t.noData}</p>;
  }
  if (!isPlotted) return <Figures panel={panel} data={data} />;
  const values = data.series.map(
    ({ legend, points }) => `${legend} ${formatValue(lastValue(points), panel.unit)}`,
  );
  const label = t.plotLabel(pick(panel.title), panel.kind === 'heatmap' ? '' : values.join(', '));
  return <Plot panel={panel} data={data} label={label} />;
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
