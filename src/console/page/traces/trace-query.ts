/** The conditions on the list of traces: from the URL of the page to the query of `GET /api/traces`. */
import { traceFilters, type TraceFilter } from '../../../../otel/traces/rows.ts';
import type { Query } from '../route.ts';
import { serverNow } from '../server-clock.ts';

export const periodMinutes = { all: 0, quarter: 15, hour: 60, day: 24 * 60 } as const;
export type Period = keyof typeof periodMinutes;
export type Sort = 'newest' | 'slowest';

const pageSize = 100;
/** The limit of the service. */
export const mostTraces = 500;
const minuteMillis = 60_000;

export function filterOf({ filter }: Query): TraceFilter {
  return traceFilters.find((each) => each === filter) ?? 'all';
}

export function periodOf({ period }: Query): Period {
  return period !== undefined && period in periodMinutes ? (period as Period) : 'all';
}

/** Slow traces are sorted by duration unless another order is chosen. */
export function sortOf(query: Query): Sort {
  const { sort } = query;
  if (sort === 'newest' || sort === 'slowest') return sort;
  return filterOf(query) === 'slow' ? 'slowest' : 'newest';
}

export function toPath(query: Query, limit = pageSize): string {
  const minutes = periodMinutes[periodOf(query)];
  // Whole minutes: the path changes once a minute, not with every poll.
  const now = Math.floor(serverNow() / minuteMillis) * minuteMillis;
  const parameters = {
    limit: String(limit),
    filter: filterOf(query),
    sort: sortOf(query),
    route: query['route'],
    client: query['client'],
    error: query['error'],
    from: minutes === 0 ? undefined : String(now - minutes * minuteMillis),
    cursor: query['cursor'],
  };
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => !!entry[1]);
  return `/api/traces?${new URLSearchParams(given).toString()}`;
}
