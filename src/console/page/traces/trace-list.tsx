/** The recent traces, filtered by the service and sorted here. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { TraceFilter, TraceSummary } from '../../../../otel/traces/rows.ts';
import { Choices } from '../choices.tsx';
import { FailureMessage } from '../failure-message.tsx';
import { formatSeconds, formatTime } from '../format.ts';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { Outcome } from './outcome.tsx';

type Sort = 'newest' | 'slowest';
type Period = 'all' | 'hour';
const hourMillis = 3_600_000;

/** The limit of the service. */
const maxTraces = 500;
const everySeconds = 5;

export function TraceList(): VNode {
  const t = useTexts();
  const [filter, setFilter] = useState<TraceFilter>('all');
  const [period, setPeriod] = useState<Period>('all');
  const [sort, setSort] = useState<Sort>('newest');
  const path = `/api/traces?limit=${maxTraces}&filter=${filter}`;
  const { value, failure } = usePolled<{ traces: TraceSummary[] }>(path, everySeconds);
  const choose = (next: TraceFilter): void => {
    setFilter(next);
    setSort(next === 'slow' ? 'slowest' : 'newest');
  };
  const since = period === 'all' ? 0 : Date.now() - hourMillis;
  const recent = (value?.traces ?? []).filter(({ startedAt }) => startedAt >= since);
  const traces =
    sort === 'newest' ? recent : recent.toSorted((a, b) => b.durationMillis - a.durationMillis);
  const longest = Math.max(...traces.map(({ durationMillis }) => durationMillis), 1);
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>{t.traces}</h1>
        <Choices label={t.filter} texts={t.traceFilters} value={filter} onChoose={choose} />
        <Choices label={t.period} texts={t.tracePeriods} value={period} onChoose={setPeriod} />
        <Choices label={t.sort} texts={t.traceSorts} value={sort} onChoose={setSort} />
      </header>
      <FailureMessage failure={failure} />
      <ol class="trace-list card">
        {traces.map((trace) => (
          <TraceRow key={trace.traceId} trace={trace} longestMillis={longest} />
        ))}
      </ol>
      {value !== undefined && traces.length === 0 && (
        <p class="empty">
          {value.traces.length === 0 && filter === 'all' ? t.noTraces : t.noMatchingTraces}
        </p>
      )}
      <p class="hint">{t.tracesHint}</p>
    </main>
  );
}

function TraceRow({ trace, longestMillis }: { trace: TraceSummary; longestMillis: number }): VNode {
  const width = `${(100 * trace.durationMillis) / longestMillis}%`;
  return (
    <li>
      <a class="trace-row" href={linkTo('traces', trace.traceId)}>
        <time>{formatTime(trace.startedAt)}</time>
        <span class="trace-name">{trace.name}</span>
        <Outcome outcome={trace.outcome} reason={trace.reason} failed={trace.failed} />
        <span class="track" aria-hidden="true">
          <span class={`bar-span ${trace.failed ? 'failed' : 'outer'}`} style={{ width }} />
        </span>
        <span class="span-time">{formatSeconds(trace.durationMillis / 1000)}</span>
      </a>
    </li>
  );
}
