/** The dashboards, as Grafana has them, over the time that is chosen. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { Trouble, useFailureText } from '../trouble.tsx';
import type { Dashboard, Panel, PanelAnswer, PanelList, Status } from '../wire.ts';
import { PanelCard } from './panel-card.tsx';

/** How far back, and how often new points are worth a question. */
const ranges = [
  { minutes: 5, label: '5m', everySeconds: 5 },
  { minutes: 15, label: '15m', everySeconds: 5 },
  { minutes: 60, label: '1h', everySeconds: 15 },
  { minutes: 360, label: '6h', everySeconds: 60 },
  { minutes: 1440, label: '24h', everySeconds: 120 },
] as const;

interface LiveViewProps {
  dashboard: string | undefined;
  status: Status | undefined;
}

export function LiveView({ dashboard, status }: LiveViewProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const { value: list, failure } = usePolled<PanelList>('/api/panels', 0);
  const [range, setRange] = useState<(typeof ranges)[number]>(ranges[1]);
  const [fresh, setFresh] = useState(true);
  const current = list?.dashboards.find(({ id }) => id === dashboard) ?? list?.dashboards[0];
  return (
    <main class="page wide-page" id="content">
      <header class="page-head">
        <h1>{t.live}</h1>
        <nav class="choices" aria-label={t.dashboards}>
          {list?.dashboards.map(({ id, title }) => (
            <a
              key={id}
              href={linkTo('live', id)}
              aria-current={id === current?.id ? 'page' : undefined}
            >
              {pick(title)}
            </a>
          ))}
        </nav>
        <div class="choices" role="group" aria-label={t.range}>
          {ranges.map((choice) => (
            <button
              key={choice.label}
              type="button"
              aria-pressed={choice === range}
              onClick={() => setRange(choice)}
            >
              {choice.label}
            </button>
          ))}
        </div>
        <button type="button" class="small" aria-pressed={fresh} onClick={() => setFresh(!fresh)}>
          {fresh ? t.refreshing(range.everySeconds) : t.paused}
        </button>
        <GrafanaLink base={status?.links.grafana} dashboard={current?.id} />
      </header>
      <Trouble failure={failure} />
      {list !== undefined && <Source panel={list.panels[0]?.id} minutes={range.minutes} />}
      {list !== undefined && current !== undefined && (
        <Rows
          key={current.id}
          dashboard={current}
          panels={new Map(list.panels.map((panel) => [panel.id, panel]))}
          minutes={range.minutes}
          everySeconds={fresh ? range.everySeconds : 0}
        />
      )}
    </main>
  );
}

interface RowsProps {
  dashboard: Dashboard;
  panels: ReadonlyMap<string, Panel>;
  minutes: number;
  everySeconds: number;
}

function Rows({ dashboard, panels, minutes, everySeconds }: RowsProps): VNode {
  const pick = usePick();
  return (
    <>
      <p class="hint">{pick(dashboard.meaning)}</p>
      {dashboard.rows.map((row, index) => (
        <section key={index} class="panel-row">
          {row.title !== undefined && <h2>{pick(row.title)}</h2>}
          <div class="panels">
            {row.panels.map((id) => {
              const panel = panels.get(id);
              return (
                panel !== undefined && (
                  <PanelCard key={id} panel={panel} minutes={minutes} everySeconds={everySeconds} />
                )
              );
            })}
          </div>
        </section>
      ))}
    </>
  );
}

/** Says it once, above all panels, when no Prometheus answers. */
function Source({ panel, minutes }: { panel: string | undefined; minutes: number }): VNode | null {
  const t = useTexts();
  const pick = usePick();
  const say = useFailureText();
  const path = panel === undefined ? undefined : `/api/panels/${panel}?minutes=${minutes}`;
  const { value, failure } = usePolled<PanelAnswer>(path, 15);
  if (value?.source !== 'process' && failure?.code !== 'peer_unreachable') return null;
  const reason = value?.reason === undefined ? failure && say(failure) : pick(value.reason);
  return (
    <p class="notice" role="status">
      {t.noPrometheus} {reason}
    </p>
  );
}

function GrafanaLink({
  base,
  dashboard,
}: {
  base: string | undefined;
  dashboard: string | undefined;
}): VNode | null {
  const t = useTexts();
  if (base === undefined || dashboard === undefined) return null;
  return (
    <a class="button small" href={base} target="_blank" rel="noopener noreferrer">
      {t.openInGrafana}
    </a>
  );
}
