/** The recent traces. Filters, order and page are in the URL, so that going back and sharing a link keep them. */
import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { phases, type TraceFilter, type TraceSummary } from '../../../../otel/traces/rows.ts';
import { formatSeconds } from '../format.ts';
import { nameInWords } from '../live/legend-words.ts';
import { usePolled } from '../polling.ts';
import { linkTo, useRoute, type Query } from '../route.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';
import { ClientUsage, UsageButton } from './client-usage.tsx';
import { TraceFilters } from './trace-filters.tsx';
import { chooseScale, groupRefusals } from './trace-groups.ts';
import { toPath } from './trace-query.ts';
import { GroupRow } from './trace-row.tsx';

interface TraceListAnswer {
  traces: TraceSummary[];
  nextCursor?: string;
  counts: Record<TraceFilter, number>;
}

const everySeconds = 5;

/** Positions of the list by its URL, for going back to it. */
const scrolled = new Map<string, number>();
/** For the link from a trace to the list that it was opened from. */
let lastQuery: Query = {};

export function linkToList(): string {
  return linkTo('traces', undefined, lastQuery);
}

export function TraceList(): VNode {
  const t = useTexts();
  const { query } = useRoute();
  // Also after a trace, which has the same view.
  useTitle(t.views.traces);
  lastQuery = query;
  const polled = usePolled<TraceListAnswer>(toPath(query), everySeconds);
  // Kept while another list loads.
  const last = useRef<TraceListAnswer>(undefined);
  last.current = polled.value ?? last.current;
  const list = last.current;
  const content = useScrollPosition(linkToList(), list !== undefined);
  const traces = list?.traces ?? [];
  const scale = chooseScale(traces);
  const isFiltered = Object.keys(query).some((name) => !['sort', 'open', 'usage'].includes(name));
  return (
    <main class="page wide-page" id="content" ref={content}>
      <header class="page-head">
        <h1>{t.traces}</h1>
        <TraceFilters query={query} counts={list?.counts} traces={traces} />
        <UsageButton query={query} />
      </header>
      <StaleNote polled={polled} />
      <ClientUsage query={query} />
      {traces.length > 0 && (
        <div class="card traces" aria-busy={polled.value === undefined}>
          <PhaseColors />
          <ColumnHeads scaleMillis={scale} />
          <ol class="trace-list">
            {groupRefusals(traces).map((group) => (
              <GroupRow
                key={group.key}
                group={group}
                scaleMillis={scale}
                isOpen={query['open'] === group.key}
              />
            ))}
          </ol>
        </div>
      )}
      {list !== undefined && traces.length === 0 && (
        <p class="empty">{isFiltered ? t.noMatchingTraces : t.noTraces}</p>
      )}
      <Pages query={query} next={list?.nextCursor} />
      <p class="hint">{t.tracesHint}</p>
    </main>
  );
}

function PhaseColors(): VNode {
  const t = useTexts();
  const pick = usePick();
  return (
    <ul class="phase-colors" aria-label={t.phaseColors}>
      {phases.map((phase) => (
        <li key={phase} title={t.phaseMeanings[phase]}>
          <i class={`dot ${phase}`} /> {nameInWords(phase, pick)}
        </li>
      ))}
      <li title={t.restMeaning}>
        <i class="dot rest" /> {t.rest}
      </li>
    </ul>
  );
}

function ColumnHeads({ scaleMillis }: { scaleMillis: number }): VNode {
  const t = useTexts();
  const { time, request, outcome, tokens, firstToken, client, duration } = t.traceColumns;
  return (
    <div class="trace-row trace-heads" aria-hidden="true">
      <span>{time}</span>
      <span>{request}</span>
      <span>{outcome}</span>
      <span class="number">{tokens}</span>
      <span class="number">{firstToken}</span>
      <span class="client">{client}</span>
      <span class="scale">
        <span>0</span>
        <span>{formatSeconds(scaleMillis / 1000)}</span>
      </span>
      <span class="number">{duration}</span>
    </div>
  );
}

function Pages({ query, next }: { query: Query; next: string | undefined }): VNode | null {
  const t = useTexts();
  const link = (cursor?: string): string => linkTo('traces', undefined, { ...query, cursor });
  if (query['cursor'] === undefined && next === undefined) return null;
  return (
    <nav class="trace-pages" aria-label={t.tracePages}>
      {query['cursor'] !== undefined && (
        <a class="button small" href={link()}>
          {t.firstPage}
        </a>
      )}
      {next !== undefined && (
        <a class="button small" href={link(next)}>
          {t.nextPage}
        </a>
      )}
    </nav>
  );
}

/** Scrolls to where the list was when it was left. */
function useScrollPosition(key: string, isShown: boolean): { current: HTMLElement | null } {
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null || !isShown) return undefined;
    current.scrollTop = scrolled.get(key) ?? 0;
    const note = (): void => void scrolled.set(key, current.scrollTop);
    current.addEventListener('scroll', note, { passive: true });
    return () => current.removeEventListener('scroll', note);
  }, [key, isShown]);
  return element;
}
