/** The same dashboards as in Grafana. Dashboard, time range, a single panel and the view for a wall are in the URL. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { Dashboard, PanelList, Status } from '../../server/answers.ts';
import { Choices } from '../choices.tsx';
import { ProgramLink } from '../program-link.tsx';
import { usePolled } from '../polling.ts';
import { changeQuery, linkTo, useRoute, type Query } from '../route.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';
import { PanelCard, usualHeight } from './panel-card.tsx';
import { isRange, ranges, suitingRange, type RangeName } from './ranges.ts';
import { WithoutPrometheus } from './without-prometheus.tsx';

/** Heights of larger plots, in CSS pixels at the usual font size. */
const heights = { wall: 230, alone: 420 };

interface LiveViewProps {
  dashboard: string | undefined;
  status: Status | undefined;
}

export function LiveView({ dashboard, status }: LiveViewProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const { query } = useRoute();
  const panelList = usePolled<PanelList>('/api/panels', 0);
  const list = panelList.value;
  const rangeName = useRange(query['range']);
  const [isPaused, setPaused] = useState(false);
  const isWall = query['wall'] !== undefined;
  useLeaveWall(isWall);
  const current = list?.dashboards.find(({ id }) => id === dashboard) ?? list?.dashboards[0];
  const panels = new Map(list?.panels.map((panel) => [panel.id, panel]));
  const alone = panels.get(query['panel'] ?? '');
  const name = alone?.title ?? current?.title;
  useTitle(name === undefined ? t.views.live : `${pick(name)} · ${t.views.live}`);
  const range = rangeName && ranges[rangeName];
  return (
    <main class={`page wide-page ${isWall ? 'wall' : ''}`} id="content">
      <header class="page-head">
        <h1>{isWall && name !== undefined ? pick(name) : t.live}</h1>
        <nav class="choices" aria-label={t.dashboards}>
          {list?.dashboards.map(({ id, title }) => (
            <a
              key={id}
              href={linkTo('live', id, { range: query['range'] })}
              aria-current={id === current?.id ? 'page' : undefined}
            >
              {pick(title)}
            </a>
          ))}
        </nav>
        <Choices
          label={t.range}
          texts={t.ranges}
          value={rangeName}
          onChoose={(name) => changeQuery({ range: name })}
        />
        {range !== undefined && (
          <button
            type="button"
            class="small"
            aria-pressed={!isPaused}
            onClick={() => setPaused(!isPaused)}
          >
            {isPaused ? t.paused : t.refreshing(range.everySeconds)}
          </button>
        )}
        <button type="button" class="small" onClick={() => (isWall ? leaveWall() : enterWall())}>
          {isWall ? t.leaveFullScreen : t.fullScreen}
        </button>
        {current !== undefined && (
          <ProgramLink base={status?.links.grafana} path={`/d/${current.id}`}>
            {t.openInGrafana}
          </ProgramLink>
        )}
      </header>
      <StaleNote polled={panelList} />
      {list?.panels[0] !== undefined && range !== undefined && (
        <WithoutPrometheus panelId={list.panels[0].id} minutes={range.minutes} />
      )}
      {current !== undefined && range !== undefined && (
        <Rows
          key={current.id}
          dashboard={alone === undefined ? current : onlyPanel(current, alone)}
          panels={panels}
          query={query}
          minutes={range.minutes}
          everySeconds={isPaused ? 0 : range.everySeconds}
        />
      )}
    </main>
  );
}

function onlyPanel(dashboard: Dashboard, { id }: PanelInfo): Dashboard {
  return { ...dashboard, rows: [{ panels: [id] }] };
}

/** Undefined until it is known when the last request was. */
function useRange(given: string | undefined): RangeName | undefined {
  const last = usePolled<{ traces: { startedAt: number }[] }>('/api/traces?limit=1', 0);
  // The range does not change while people look at it.
  const [suiting, setSuiting] = useState<RangeName>();
  const isAnswered = !last.isStale && (last.value ?? last.failure) !== undefined;
  useEffect(() => {
    if (isAnswered) setSuiting((known) => known ?? suitingRange(last.value?.traces[0]?.startedAt));
  }, [isAnswered]);
  return isRange(given) ? given : suiting;
}

function enterWall(): void {
  changeQuery({ wall: '1' });
  // The view fills the window where a browser has no full screen.
  document.documentElement.requestFullscreen().catch(() => {});
}

function leaveWall(): void {
  changeQuery({ wall: undefined });
  if (document.fullscreenElement !== null) document.exitFullscreen().catch(() => {});
}

/** Escape ends the full screen, and the view for a wall with it. */
function useLeaveWall(isWall: boolean): void {
  useEffect(() => {
    if (!isWall) return undefined;
    const onChange = (): void => {
      if (document.fullscreenElement === null) leaveWall();
    };
    const onKey = ({ key }: KeyboardEvent): void => {
      if (key === 'Escape') leaveWall();
    };
    document.addEventListener('fullscreenchange', onChange);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('fullscreenchange', onChange);
      document.removeEventListener('keydown', onKey);
    };
  }, [isWall]);
}

interface RowsProps {
  dashboard: Dashboard;
  panels: ReadonlyMap<string, PanelInfo>;
  query: Query;
  minutes: number;
  everySeconds: number;
}

function Rows({ dashboard, panels, query, minutes, everySeconds }: RowsProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const isAlone = query['panel'] !== undefined;
  const height = isAlone ? heights.alone : query['wall'] === undefined ? usualHeight : heights.wall;
  const link = (panel?: string): string => linkTo('live', dashboard.id, { ...query, panel });
  return (
    <>
      <p class="hint">
        {isAlone ? (
          <a href={link()}>{t.allPanels(pick(dashboard.title))}</a>
        ) : (
          pick(dashboard.meaning)
        )}
      </p>
      {dashboard.rows.map((row, index) => (
        <section key={index} class="panel-row">
          {row.title !== undefined && <h2>{pick(row.title)}</h2>}
          <div class="panels">
            {row.panels.map((id) => {
              const panel = panels.get(id);
              return (
                panel !== undefined && (
                  <PanelCard
                    key={id}
                    panel={panel}
                    minutes={minutes}
                    everySeconds={everySeconds}
                    href={link(id)}
                    height={height}
                  />
                )
              );
            })}
          </div>
        </section>
      ))}
    </>
  );
}
