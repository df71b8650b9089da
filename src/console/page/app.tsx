/** The header with navigation, status, language and theme, and the current view below it. */
import type { VNode } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import type { AlertList, Status } from '../server/answers.ts';
import { AlertsView } from './alerts/alerts-view.tsx';
import { RunbookView } from './alerts/runbook.tsx';
import { ChatView } from './chat/chat-view.tsx';
import { LiveView } from './live/live-view.tsx';
import { usePolled, type Polled } from './polling.ts';
import { language, theme, type Theme } from './preferences.ts';
import { linkTo, useRoute, type Route, type View } from './route.ts';
import { setBackendModel } from './chat/answer-stream.ts';
import { StatusFailures, StatusStrip } from './status-strip.tsx';
import { useStore } from './store.ts';
import { useTexts } from './texts/texts.ts';
import { setTitle } from './title.ts';
import { TraceList } from './traces/trace-list.tsx';
import { TraceView } from './traces/trace-view.tsx';

const statusSeconds = 3;
const alertSeconds = 10;
const tabs = ['chat', 'traces', 'live', 'alerts'] as const satisfies View[];

export function App(): VNode {
  const t = useTexts();
  const route = useRoute();
  const status = usePolled<Status>('/api/status', statusSeconds);
  const alerts = usePolled<AlertList>('/api/alerts', alertSeconds);
  const firing = (alerts.value?.alerts ?? []).filter(
    ({ state, notifies }) => state === 'firing' && notifies,
  );
  const isCritical = firing.some(({ severity }) => severity === 'critical');
  // A layout effect runs before the effects of `useTitle`, so the title of a view's content wins.
  useLayoutEffect(() => setTitle(t.views[route.view]), [route.view, t]);
  const backendModel = status.value?.backend && status.value.model.id;
  useLayoutEffect(() => setBackendModel(backendModel), [backendModel]);
  return (
    <>
      <a class="skip" href="#content" onClick={focusContent}>
        {t.skip}
      </a>
      <header class="bar">
        <a class="brand" href={linkTo('chat')}>
          <Logo /> llamascope
        </a>
        <nav class="tabs" aria-label={t.navigation}>
          {tabs.map((view) => (
            <a
              key={view}
              href={linkTo(view)}
              aria-current={isCurrent(view, route) ? 'page' : undefined}
            >
              {t.views[view]}
              {view === 'alerts' && firing.length > 0 && (
                <b
                  class={`count ${isCritical ? 'critical' : ''}`}
                  title={t.firingCount(firing.length)}
                >
                  {firing.length}
                </b>
              )}
            </a>
          ))}
        </nav>
        <StatusStrip
          status={status.isStale ? undefined : status.value}
          failure={status.failure}
          missing={alerts.value?.missing ?? []}
        />
        <Switches />
      </header>
      <StatusFailures status={status.isStale ? undefined : status.value} />
      <CurrentView route={route} status={status.value} alerts={alerts} />
    </>
  );
}

interface CurrentViewProps {
  route: Route;
  status: Status | undefined;
  alerts: Polled<AlertList>;
}

function CurrentView({ route: { view, id }, status, alerts }: CurrentViewProps): VNode {
  if (view === 'chat') return <ChatView id={id} status={status} />;
  if (view === 'live') return <LiveView dashboard={id} status={status} />;
  if (view === 'alerts') return <AlertsView alerts={alerts} status={status} />;
  if (view === 'runbooks') return <RunbookView name={id ?? ''} />;
  return id === undefined ? <TraceList /> : <TraceView key={id} id={id} status={status} />;
}

function isCurrent(tab: View, { view }: Route): boolean {
  return tab === view || (tab === 'alerts' && view === 'runbooks');
}

/** A link to `#content` would change the route, which is in the fragment too. */
function focusContent(event: MouseEvent): void {
  event.preventDefault();
  const content = document.querySelector<HTMLElement>('#content');
  content?.setAttribute('tabindex', '-1');
  content?.focus();
}

const themes: readonly Theme[] = ['system', 'light', 'dark'];
const themeIcons: Record<Theme, string> = { system: '◐', light: '☀', dark: '☾' };

function Switches(): VNode {
  const t = useTexts();
  const currentLanguage = useStore(language);
  const currentTheme = useStore(theme);
  const nextTheme = themes[(themes.indexOf(currentTheme) + 1) % themes.length]!;
  const other = currentLanguage === 'en' ? 'zh' : 'en';
  return (
    <div class="switches">
      <button
        type="button"
        class="quiet"
        lang={other === 'zh' ? 'zh-CN' : 'en'}
        onClick={() => language.set(other)}
      >
        {other === 'zh' ? '中文' : 'English'}
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={t.themeLabel(t.themes[currentTheme], t.themes[nextTheme])}
        title={t.themes[currentTheme]}
        onClick={() => theme.set(nextTheme)}
      >
        {themeIcons[currentTheme]}
      </button>
    </div>
  );
}

function Logo(): VNode {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="queue" x="3" y="5" width="10" height="5" rx="2.5" />
      <rect class="prefill" x="8" y="13.5" width="13" height="5" rx="2.5" />
      <rect class="decode" x="15" y="22" width="14" height="5" rx="2.5" />
    </svg>
  );
}
