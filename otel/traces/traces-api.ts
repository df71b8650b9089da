/** The store of traces as bodies of HTTP answers; each app mounts them at `GET /api/traces` and `GET /api/traces/{id}`. */
import { traceFilters, type TraceFilter, type TraceSummary } from './rows.ts';
import type { TraceStore } from './traces.ts';

interface ErrorBody {
  error: { message: string; type: string; param: string; code: string };
}

type Answer<Body> = { status: 200; body: Body } | { status: 400 | 404; body: ErrorBody };

const defaultLimit = 50;
const mostLimit = 500;

/** `?limit=1..500` (50) and `?filter=all|slow|failed|cancelled`: `{ traces }`, newest first; 400 for anything else. */
export function answerTraces(
  store: TraceStore,
  query: URLSearchParams,
): Answer<{ traces: TraceSummary[] }> {
  const limit = Number(query.get('limit') ?? defaultLimit);
  if (!Number.isInteger(limit) || limit < 1 || limit > mostLimit) {
    return refuse(400, 'limit', `expected an integer from 1 to ${mostLimit}, got another value.`);
  }
  const filter = query.get('filter') ?? 'all';
  if (!isFilter(filter)) {
    return refuse(400, 'filter', `expected one of ${traceFilters.join(', ')}, got another value.`);
  }
  return { status: 200, body: { traces: store.list({ limit, filter }) } };
}

/** The trace as OTLP JSON; 404 where it is not or no longer in the store. */
export function answerTrace(store: TraceStore, traceId: string): Answer<object> {
  const trace = store.get(traceId.toLowerCase());
  if (trace !== undefined) return { status: 200, body: trace };
  const which = 'expected the id of a trace that is still in memory, which GET /api/traces lists.';
  return refuse(404, 'trace_id', which);
}

function isFilter(text: string): text is TraceFilter {
  return (traceFilters as readonly string[]).includes(text);
}

/** In the shape of OpenAI's errors, as everything else of the service; a query is not echoed. */
function refuse(
  status: 400 | 404,
  param: string,
  problem: string,
): { status: 400 | 404; body: ErrorBody } {
  const [type, code] =
    status === 404 ? ['not_found', 'not_found'] : ['invalid_request_error', 'bad_request'];
  return { status, body: { error: { message: `${param}: ${problem}`, type, param, code } } };
}
