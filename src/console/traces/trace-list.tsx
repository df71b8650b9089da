/** The last traces: filtered by the service, sorted here. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Trouble } from '../trouble.tsx';
import { formatSeconds, formatTime } from '../format.ts';
import { usePolled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { traceFilters, type TraceFilter, type TraceSummary } from '../wire.ts';

const sorts = ['newest', 'slowest'] as const;
type Sort = (typeof sorts)[number];

const mostTraces = 200;
const everySeconds = 5;

export function TraceList(): VNode {
  const t = useTexts();
  const [filter, setFilter] = useState<TraceFilter>('all');
  const [sort, setSort] = useState<Sort>('newest');
  const path = `/api/traces?limit=${mostTraces}&filter=${filter}`;
  const { value, failure } = usePolled<{ traces: TraceSummary[] }>(path, everySeconds);
  const choose = (next: TraceFilter): void => {
    setFilter(next);
    setSort(next === 'slow' ? 'slowest' : 'newest');
  };
  const traces = sortTraces(value?.traces ?? [], sort);
  const longest = Math.max(...traces.map(({ durationMillis }) => durationMillis), 1);
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>{t.traces}</h1>
        <div class="choices" role="group" aria-label={t.filter}>
          {traceFilters.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={filter === name}
              onClick={() => choose(name)}
            >
              {t.traceFilters[name]}
            </button>
          ))}
        </div>
        <div class="choices" role="group" aria-label={t.sort}>
          {sorts.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={sort === name}
              onClick={() => setSort(name)}
            >
              {t.traceSorts[name]}
            </button>
          ))}
        </div>
      </header>
      <Trouble failure={failure} />
      <ol class="trace-list card">
        {traces.map((trace) => (
          <TraceRow key={trace.traceId} trace={trace} longestMillis={longest} />
        ))}
      </ol>
      {value !== undefined && traces.length === 0 && (
        <p class="empty">{filter === 'all' ? t.noTraces : t.noTracesLikeThat}</p>
      )}
      <p class="hint">{t.tracesHint}</p>
    </main>
  );
}

function TraceRow({ trace, longestMillis }: { trace: TraceSummary; longestMillis: number }): VNode {
  const t = useTexts();
  const ended = trace.outcome ?? (trace.failed ? 'failed' : 'other');
  const width = `${(100 * trace.durationMillis) / longestMillis}%`;
  return (
    <li>
      <a class="trace-row" href={linkTo('traces', trace.traceId)}>
        <time>{formatTime(trace.startedAt)}</time>
        <span class="trace-name">{trace.name}</span>
        <span class={`chip ${ended}`} title={trace.reason}>
          {t.outcomes[ended] ?? ended}
          {trace.reason !== undefined && trace.reason !== 'stop' && ` · ${trace.reason}`}
        </span>
        <span class="track" aria-hidden="true">
          <span class={`bar-span ${trace.failed ? 'failed' : 'outer'}`} style={{ width }} />
        </span>
        <span class="span-time">{formatSeconds(trace.durationMillis / 1000)}</span>
      </a>
    </li>
  );
}

function sortTraces(traces: readonly TraceSummary[], sort: Sort): TraceSummary[] {
  if (sort === 'newest') return [...traces];
  return traces.toSorted((a, b) => b.durationMillis - a.durationMillis);
}
