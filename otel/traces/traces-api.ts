/** Response bodies of `GET /api/traces` and `GET /api/traces/{id}`, for any HTTP server. */
import { traceFilters, type TraceSummary } from './rows.ts';
import {
  traceSorts,
  type TraceCursor,
  type TracePage,
  type TraceQuery,
  type TraceStore,
} from './traces.ts';

interface ErrorBody {
  error: { message: string; type: string; param: string; code: string };
}

type Answer<Body> = { status: 200; body: Body } | { status: 400 | 404 | 503; body: ErrorBody };

export interface TraceList {
  traces: TraceSummary[];
  /** The value of `cursor` for the next page; absent on the last one. */
  nextCursor?: string;
  /** How many traces each filter would match, with the same other conditions. */
  counts: TracePage['counts'];
}

const mostLimit = 500;

class BadQuery extends Error {
  readonly param: string;

  constructor(param: string, expectation: string) {
    super(`expected ${expectation}, got another value.`);
    this.param = param;
  }
}

const anyText = { type: 'string' };
const duration = { type: 'number', minimum: 0 };
const anyTime = {
  anyOf: [
    { type: 'number', minimum: 0 },
    { type: 'string', format: 'date-time' },
  ],
};
const numeral = /^\d+(\.\d+)?(e[+-]?\d+)?$/i;
/** Only ISO 8601, because Date.parse reads much else: `-1` is a day of 2001. */
const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/i;
const cursorPattern = /^(\d+)_(\d+(?:\.\d+)?(?:e-?\d+)?)$/;

/** The parameters of `GET /api/traces`, with their meaning and JSON Schema for the documentation. */
export const traceParameters = {
  limit: {
    description: 'Maximum number of traces; 50 by default.',
    schema: { type: 'integer', minimum: 1, maximum: mostLimit },
    example: 50,
  },
  filter: {
    description: 'Which traces; all by default.',
    schema: { enum: traceFilters },
    example: 'all',
  },
  sort: {
    description: 'Their order; newest by default.',
    schema: { enum: traceSorts },
    example: 'newest',
  },
  route: { description: 'Route of the request.', schema: anyText, example: '/v1/chat/completions' },
  client: {
    description: 'Id of an API key, or address of a client.',
    schema: anyText,
    example: '127.0.0.1',
  },
  error: {
    description: 'Part of the message, field or reason of an error.',
    schema: anyText,
    example: 'queue_full',
  },
  from: {
    description: 'Earliest start: ISO 8601, or epoch milliseconds.',
    schema: anyTime,
    example: '2026-01-31T08:00:00Z',
  },
  to: {
    description: 'The traces started before this time.',
    schema: anyTime,
    example: '2026-12-31T20:00:00Z',
  },
  min_ms: { description: 'Shortest duration in milliseconds.', schema: duration, example: 0 },
  max_ms: { description: 'Longest duration in milliseconds.', schema: duration, example: 60_000 },
  cursor: {
    description: '`nextCursor` of the page before.',
    schema: { type: 'string', pattern: cursorPattern.source },
    example: '42_420.25',
  },
} as const;
type Parameter = keyof typeof traceParameters;

/** One page of traces for `traceParameters`; 400 for a value that is not as described. */
export async function answerTraces(
  store: TraceStore,
  query: URLSearchParams,
): Promise<Answer<TraceList>> {
  try {
    const { traces, next, counts } = await store.list(readQuery(query));
    const nextCursor = next && `${next.id}_${next.durationMillis}`;
    return { status: 200, body: { traces, ...(nextCursor && { nextCursor }), counts } };
  } catch (error) {
    if (error instanceof BadQuery) return refuse(400, error.param, error.message);
    return unavailable('traces');
  }
}

/** The trace as OTLP JSON; 404 if it is unknown or evicted. */
export async function answerTrace(store: TraceStore, traceId: string): Promise<Answer<object>> {
  try {
    const trace = await store.get(traceId.toLowerCase());
    if (trace !== undefined) return { status: 200, body: trace };
  } catch {
    return unavailable('trace_id');
  }
  return refuse(404, 'trace_id', 'trace not found. Only recent traces are kept: GET /api/traces.');
}

/** @throws BadQuery */
function readQuery(query: URLSearchParams): TraceQuery {
  const read = (name: Parameter): string | undefined => query.get(name) ?? undefined;
  const number = (name: Parameter): number | undefined => {
    const given = read(name);
    if (given === undefined) return undefined;
    if (numeral.test(given)) return Number(given);
    throw new BadQuery(name, 'a number >= 0');
  };
  const members = {
    limit: readLimit(query.get('limit')),
    filter: readChoice('filter', traceFilters, read('filter')),
    sort: readChoice('sort', traceSorts, read('sort')),
    route: read('route') || undefined,
    client: read('client') || undefined,
    error: read('error') || undefined,
    from: readTime('from', read('from')),
    to: readTime('to', read('to')),
    minMillis: number('min_ms'),
    maxMillis: number('max_ms'),
    cursor: readCursor(read('cursor')),
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function readLimit(text: string | null): number | undefined {
  if (text === null) return undefined;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= mostLimit) return limit;
  throw new BadQuery('limit', `an integer from 1 to ${mostLimit}`);
}

function readChoice<Choice extends string>(
  name: Parameter,
  choices: readonly Choice[],
  text: string | undefined,
): Choice | undefined {
  const choice = choices.find((each) => each === text);
  if (choice !== undefined || text === undefined) return choice;
  throw new BadQuery(name, `one of ${choices.join(', ')}`);
}

function readTime(name: Parameter, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const given = isoTime.test(text) ? Date.parse(text) : NaN;
  const millis = numeral.test(text) ? Number(text) : given;
  if (Number.isFinite(millis)) return millis;
  throw new BadQuery(name, 'a time such as 2026-01-31T08:00:00Z, or epoch milliseconds');
}

function readCursor(text: string | undefined): TraceCursor | undefined {
  if (text === undefined) return undefined;
  const [, id, durationMillis] = cursorPattern.exec(text) ?? [];
  if (id !== undefined) return { id: Number(id), durationMillis: Number(durationMillis) };
  throw new BadQuery('cursor', 'nextCursor of a page');
}

function unavailable(param: string): { status: 503; body: ErrorBody } {
  return refuse(503, param, 'the file of recent traces does not answer. Try again later.');
}

/** An error body in OpenAI's format. Values from the query are not echoed. */
function refuse<Status extends 400 | 404 | 503>(
  status: Status,
  param: string,
  problem: string,
): { status: Status; body: ErrorBody } {
  const [type, code] = {
    400: ['invalid_request_error', 'bad_request'] as const,
    404: ['not_found', 'not_found'] as const,
    503: ['not_ready', 'not_ready'] as const,
  }[status];
  return { status, body: { error: { message: `${param}: ${problem}`, type, param, code } } };
}
