/** The store of recent traces as its readers see it. Kept in a file (`file-store.ts`) or in memory (`memory-store.ts`). */
import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { TraceFilter, TraceSummary } from './rows.ts';

/** Conditions on traces; a trace must meet all of them. */
export interface TraceQuery {
  /** Maximum number of traces; 50 by default. */
  limit?: number;
  filter?: TraceFilter;
  route?: string;
  /** Id of an API key, or a client's address. */
  client?: string;
  /** Part of the reason, the message or the field of an error, in any case. */
  error?: string;
  /** Start of the trace in epoch milliseconds: not before `from`, and before `to`. */
  from?: number;
  to?: number;
  minMillis?: number;
  maxMillis?: number;
  /** `newest` by default. */
  sort?: TraceSort;
  /** `next` of the page before. */
  cursor?: TraceCursor;
}

export const traceSorts = ['newest', 'slowest'] as const;
export type TraceSort = (typeof traceSorts)[number];

/** The last trace of a page. `id` grows with every new trace. */
export interface TraceCursor {
  id: number;
  durationMillis: number;
}

export interface TracePage {
  traces: TraceSummary[];
  /** The cursor of the next page; undefined on the last one. */
  next?: TraceCursor;
  /** How many traces each filter would match, with the same other conditions. */
  counts: Record<TraceFilter, number>;
}

export interface TraceStore {
  /** @throws Error if the store does not answer in time. */
  list(query?: TraceQuery): Promise<TracePage>;
  /** The trace as OTLP JSON (`{ resourceSpans }`); undefined if it is unknown or evicted. @throws as `list`. */
  get(traceId: string): Promise<object | undefined>;
}

/** Bounds of a store. */
export interface TraceLimits {
  traces: number;
  bytes: number;
  /** Older traces are dropped; unlimited by default. */
  days?: number;
}

export interface TraceKeeper {
  store: TraceStore;
  processor: SpanProcessor;
  /** Spans that could not be stored so far. */
  lost(): number;
}

/** Limits a trace, because a client may send the same `traceparent` in every request. */
export const spansPerTrace = 256;

/** The newest quarter of the traces is never evicted. Of the others, the fastest are evicted first, and failed ones last. */
export const evictableShare = 0.75;

/** The slowest tenth of the stored traces is slow, because what counts as slow depends on the model and the machine. */
export const slowShare = 0.1;
