/** Response bodies of `GET /api/traces` and `GET /api/traces/{id}`, for any HTTP server. */
import { traceFilters, type TraceFilter, type TraceSummary } from './rows.ts';
import type { TraceStore } from './traces.ts';

interface ErrorBody {
  error: { message: string; type: string; param: string; code: string };
}

type Answer<Body> = { status: 200; body: Body } | { status: 400 | 404; body: ErrorBody };

const defaultLimit = 50;
const mostLimit = 500;

/** `{ traces }`, newest first, for `?limit=1..500` (50) and `?filter=all|slow|failed|cancelled`; 400 for other values. */
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

/** The trace as OTLP JSON; 404 if it is unknown or evicted. */
export function answerTrace(store: TraceStore, traceId: string): Answer<object> {
  const trace = store.get(traceId.toLowerCase());
  if (trace !== undefined) return { status: 200, body: trace };
  return refuse(404, 'trace_id', 'trace not found. Only recent traces are kept: GET /api/traces.');
}

function isFilter(text: string): text is TraceFilter {
  return (traceFilters as readonly string[]).includes(text);
}

/** An error body in OpenAI's format. Values from the query are not echoed. */
function refuse(
  status: 400 | 404,
  param: string,
  problem: string,
): { status: 400 | 404; body: ErrorBody } {
  const [type, code] =
    status === 404 ? ['not_found', 'not_found'] : ['invalid_request_error', 'bad_request'];
  return { status, body: { error: { message: `${param}: ${problem}`, type, param, code } } };
}
