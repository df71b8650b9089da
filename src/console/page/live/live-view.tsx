/** The same dashboards as in Grafana, over a chosen time range. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { Dashboard, PanelList, Status } from '../../server/answers.ts';
import { Choices } from '../choices.tsx';
import { FailureMessage } from '../failure-message.tsx';
import { ProgramLink } from '../program-link.tsx';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { PanelCard } from './panel-card.tsx';
import { WithoutPrometheus } from './without-prometheus.tsx';

const rangeTexts = { '5m': '5m', '15m': '15m', '1h': '1h', '6h': '6h', '24h': '24h' };
type RangeName = keyof typeof rangeTexts;

/** Minutes to look back, and seconds between two polls. */
const ranges: Record<RangeName, { minutes: number; everySeconds: number }> = {
  '5m': { minutes: 5, everySeconds: 5 },
  '15m': { minutes: 15, everySeconds: 5 },
  '1h': { minutes: 60, everySeconds: 15 },
  '6h': { minutes: 360, everySeconds: 60 },
  '24h': { minutes: 1440, everySeconds: 120 },
};

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
  const [isPaused, setPaused] = useState(false);
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
        <Choices label={t.range} texts={rangeTexts} value={rangeName} onChoose={setRangeName} />
        <button
          type="button"
          class="small"
          aria-pressed={!isPaused}
          onClick={() => setPaused(!isPaused)}
        >
          {isPaused ? t.paused : t.refreshing(range.everySeconds)}
        </button>
        {current !== undefined && (
          <ProgramLink base={status?.links.grafana} path={`/d/${current.id}`}>
            {t.openInGrafana}
          </ProgramLink>
        )}
      </header>
      <FailureMessage failure={failure} />
      {list?.panels[0] !== undefined && (
        <WithoutPrometheus panelId={list.panels[0].id} minutes={range.minutes} status={status} />
      )}
      {list !== undefined && current !== undefined && (
        <Rows
          key={current.id}
          dashboard={current}
          panels={new Map(list.panels.map((panel) => [panel.id, panel]))}
          minutes={range.minutes}
          everySeconds={isPaused ? 0 : range.everySeconds}
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
