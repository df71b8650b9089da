/** The controls above the list of traces. Each choice changes the URL. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { routes, type TraceFilter, type TraceSummary } from '../../../../otel/traces/rows.ts';
import { Choices } from '../choices.tsx';
import { changeQuery, type Query } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { filterOf, periodOf, sortOf } from './trace-query.ts';

interface TraceFiltersProps {
  query: Query;
  /** Undefined until the first answer. */
  counts: Record<TraceFilter, number> | undefined;
  /** The list: its routes and clients can be chosen. */
  traces: readonly TraceSummary[];
}

/** Another condition begins at the first page. */
function choose(change: Query, how?: 'push' | 'replace'): void {
  changeQuery({ ...change, cursor: undefined, open: undefined }, how);
}

export function TraceFilters({ query, counts, traces }: TraceFiltersProps): VNode {
  const t = useTexts();
  return (
    <>
      <Choices
        label={t.filter}
        texts={t.traceFilters}
        counts={counts}
        value={filterOf(query)}
        onChoose={(filter) => choose({ filter: filter === 'all' ? undefined : filter })}
      />
      <Choices
        label={t.period}
        texts={t.tracePeriods}
        value={periodOf(query)}
        onChoose={(period) => choose({ period: period === 'all' ? undefined : period })}
      />
      <Choices
        label={t.sort}
        texts={t.traceSorts}
        value={sortOf(query)}
        onChoose={(sort) => choose({ sort })}
      />
      <Select
        label={t.route}
        all={t.allRoutes}
        value={query['route']}
        found={[...routes, ...traces.map(({ route }) => route)]}
        onChoose={(route) => choose({ route })}
      />
      <Select
        label={t.client}
        all={t.allClients}
        value={query['client']}
        found={traces.map(({ client }) => client)}
        onChoose={(client) => choose({ client })}
      />
      <ErrorText value={query['error'] ?? ''} />
    </>
  );
}

interface SelectProps {
  label: string;
  /** The text of the first option, which sets no condition. */
  all: string;
  value: string | undefined;
  found: (string | undefined)[];
  onChoose: (value: string | undefined) => void;
}

function Select({ label, all, value, found, onChoose }: SelectProps): VNode {
  const options = new Set([...found, value ?? ''].filter((each) => each !== undefined));
  options.delete('');
  return (
    <select
      aria-label={label}
      value={value ?? ''}
      onChange={({ currentTarget }) => onChoose(currentTarget.value || undefined)}
    >
      <option value="">{all}</option>
      {[...options]
        .toSorted((one = '', other = '') => one.localeCompare(other))
        .map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
    </select>
  );
}

const typingMillis = 300;

function ErrorText({ value }: { value: string }): VNode {
  const t = useTexts();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => choose({ error: text }, 'replace'), typingMillis);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      class="error-text"
      aria-label={t.errorText}
      placeholder={t.errorText}
      value={text}
      onInput={({ currentTarget }) => setText(currentTarget.value)}
    />
  );
}
