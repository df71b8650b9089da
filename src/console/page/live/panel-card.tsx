/** One panel: its question, its picture, and what to do when it is red. It asks only while it is in sight. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { PanelData } from '../../server/answers.ts';
import { formatValue } from '../format.ts';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { Trouble } from '../trouble.tsx';
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
  const seen = useInSight(card);
  const path = `/api/panels/${panel.id}?minutes=${minutes}`;
  const { value: answer, failure } = usePolled<PanelData>(seen ? path : undefined, everySeconds);
  const [last, setLast] = useState<PanelData>();
  useEffect(() => {
    if (answer !== undefined) setLast(answer);
  }, [answer]);
  const shown = answer ?? last;
  const level = worstLevel(shown, panel.thresholds);
  return (
    <section
      ref={card}
      class={`panel card ${panel.kind} ${level}`}
      data-panel={panel.id}
      aria-labelledby={`title-${panel.id}`}
    >
      <h3 id={`title-${panel.id}`}>{pick(panel.title)}</h3>
      <p class="meaning">{pick(panel.meaning)}</p>
      <Trouble failure={failure} />
      {shown !== undefined && <Picture panel={panel} answer={shown} />}
      {level === 'red' && panel.whenRed !== undefined && (
        <p class="when-red">
          {pick(panel.whenRed)}{' '}
          <a href={linkTo('runbooks', panel.whenRed.runbook)}>{panel.whenRed.runbook}</a>
        </p>
      )}
    </section>
  );
}

function Picture({ panel, answer }: { panel: PanelInfo; answer: PanelData }): VNode {
  const t = useTexts();
  const pick = usePick();
  const plotted = ['timeseries', 'stacked', 'heatmap'].includes(panel.kind);
  if (!hasValues(answer)) {
    // Why is said once, above all panels.
    return <p class="empty">{answer.source === 'none' ? t.needsPrometheus : t.noData}</p>;
  }
  if (!plotted) return <Figures panel={panel} answer={answer} />;
  const values = answer.series.map(
    ({ legend, points }) => `${legend} ${formatValue(lastValue(points), panel.unit)}`,
  );
  const label = t.plotLabel(pick(panel.title), panel.kind === 'heatmap' ? '' : values.join(', '));
  return <Plot panel={panel} answer={answer} label={label} />;
}

/** Whether it is on the screen, or nearly. */
function useInSight(element: { current: HTMLElement | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => setSeen(entries.at(-1)?.isIntersecting === true),
      { rootMargin: '200px' },
    );
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return seen;
}
