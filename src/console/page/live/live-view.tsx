/** The dashboards, as Grafana has them, over the time that is chosen. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { Dashboard, PanelData, PanelList, Status } from '../../server/answers.ts';
import { Choices } from '../choices.tsx';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { Trouble } from '../trouble.tsx';
import { PanelCard } from './panel-card.tsx';

const rangeNames = ['5m', '15m', '1h', '6h', '24h'] as const;
type RangeName = (typeof rangeNames)[number];

/** How far back, and how often new points are worth a question. */
const ranges: Record<RangeName, { minutes: number; everySeconds: number }> = {
  '5m': { minutes: 5, everySeconds: 5 },
  '15m': { minutes: 15, everySeconds: 5 },
  '1h': { minutes: 60, everySeconds: 15 },
  '6h': { minutes: 360, everySeconds: 60 },
  '24h': { minutes: 1440, everySeconds: 120 },
};
const rangeTexts = Object.fromEntries(rangeNames.map((name) => [name, name])) as Record<
  RangeName,
  string
>;

interface LiveViewProps {
  dashboard: string | undefined;
  status: Status | undefined;
}

export function LiveView({ dashboard, status }: LiveViewProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const { value: list, failure } = usePolled<PanelList>('/api/panels', 0);
  const [rangeName, setRangeName] = useState<RangeName>('5m');
  const range = ranges[rangeName];
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
        <Choices
          label={t.range}
          names={rangeNames}
          texts={rangeTexts}
          value={rangeName}
          onChoose={setRangeName}
        />
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
  panels: ReadonlyMap<string, PanelInfo>;
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
  const path = panel === undefined ? undefined : `/api/panels/${panel}?minutes=${minutes}`;
  const { value } = usePolled<PanelData>(path, 15);
  if (value?.source !== 'none') return null;
  return (
    <p class="notice" role="status">
      {t.noPrometheus} {value.reason && pick(value.reason)}
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
  const href = `${base.replace(/\/$/, '')}/d/${dashboard}`;
  return (
    <a class="button small" href={href} target="_blank" rel="noopener noreferrer">
      {t.openInGrafana}
    </a>
  );
}
