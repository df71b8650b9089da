/** Above the panels while Prometheus is not available: the reason, and the present numbers from `/api/status`. */
import type { VNode } from 'preact';
import type { PanelData, Status } from '../../server/answers.ts';
import { usePolled } from '../polling.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { withCode } from '../with-code.tsx';

const everySeconds = 15;
const statusSeconds = 3;

interface WithoutPrometheusProps {
  /** The page requests this panel to find out whether Prometheus is available. */
  panelId: string;
  minutes: number;
}

export function WithoutPrometheus(props: WithoutPrometheusProps): VNode | null {
  const { panelId, minutes } = props;
  const t = useTexts();
  const pick = usePick();
  const path = `/api/panels/${panelId}?minutes=${minutes}`;
  const { value: data } = usePolled<PanelData>(path, everySeconds);
  if (data?.source !== 'none') return null;
  return (
    <section class="without-prometheus" aria-label={t.status}>
      <p class="notice" role="status">
        {t.noPrometheus} {data.reason && withCode(pick(data.reason))}
      </p>
      <StatusFigures />
    </section>
  );
}

function StatusFigures(): VNode {
  const t = useTexts();
  const polled = usePolled<Status>('/api/status', statusSeconds);
  if (polled.value === undefined || polled.isStale) return <StaleNote polled={polled} />;
  const { state, queue, sequences, contextTokens, restarts } = polled.value;
  const figures: [name: string, value: string | number | undefined][] = [
    [t.status, t.states[state]],
    [t.queue, queue && `${queue.depth}/${queue.limit}`],
    [t.sequences, sequences],
    [t.context, contextTokens],
    [t.restarts, restarts],
  ];
  return (
    <ul class="figures card padded">
      {figures.map(
        ([name, value]) =>
          value !== undefined && (
            <li key={name}>
              <span class="figure">
                <strong>{value}</strong>
                <span>{name}</span>
              </span>
            </li>
          ),
      )}
    </ul>
  );
}
