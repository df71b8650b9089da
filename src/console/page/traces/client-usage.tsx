/** Which API key or client used most: the traces of the list, added up. Unfolds below the filters. */
import type { VNode } from 'preact';
import type { TraceSummary } from '../../../../otel/traces/rows.ts';
import { formatNumber, formatSeconds } from '../format.ts';
import { usePolled } from '../polling.ts';
import { changeQuery, linkTo, type Query } from '../route.ts';
import { StaleNote } from '../stale-note.tsx';
import { useTexts } from '../texts/texts.ts';
import { addUsage } from './trace-groups.ts';
import { mostTraces, toPath } from './trace-query.ts';

const everySeconds = 15;

export function UsageButton({ query }: { query: Query }): VNode {
  const t = useTexts();
  const isOpen = query['usage'] !== undefined;
  return (
    <button
      type="button"
      class="small"
      aria-expanded={isOpen}
      onClick={() => changeQuery({ usage: isOpen ? undefined : '1' }, 'replace')}
    >
      {t.usage}
    </button>
  );
}

export function ClientUsage({ query }: { query: Query }): VNode | null {
  return query['usage'] === undefined ? null : <UsageTable query={query} />;
}

function UsageTable({ query }: { query: Query }): VNode {
  const t = useTexts();
  // The other conditions hold, so that the rows add up to what the list would show.
  const path = toPath({ ...query, client: undefined, cursor: undefined }, mostTraces);
  const polled = usePolled<{ traces: TraceSummary[] }>(path, everySeconds);
  const traces = polled.value?.traces ?? [];
  return (
    <div class="card padded client-usage">
      <StaleNote polled={polled} />
      <table>
        <caption>{t.usageOf(traces.length)}</caption>
        <thead>
          <tr>
            <th scope="col">{t.traceColumns.client}</th>
            {[t.usageRequests, t.usageRefused, t.inputTokens, t.outputTokens, t.usageTime].map(
              (name) => (
                <th key={name} scope="col" class="number">
                  {name}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {addUsage(traces).map(({ client, ...sums }) => (
            <tr key={client}>
              <th scope="row">
                <a href={linkTo('traces', undefined, { ...query, client, cursor: undefined })}>
                  {client || t.unknownClient}
                </a>
              </th>
              <td class="number">{sums.requests}</td>
              <td class="number">{sums.refused}</td>
              <td class="number">{formatNumber(sums.inputTokens)}</td>
              <td class="number">{formatNumber(sums.outputTokens)}</td>
              <td class="number">{formatSeconds(sums.millis / 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
