/** Keeps recent traces in memory: for programs without a file of traces, and for one whose file cannot be written. */
import { SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { hrTimeToMilliseconds } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { spanAttributes as s } from '../names.ts';
import { traceFilters, type TraceFilter, type TraceSummary } from './rows.ts';
import { isFailed, searchedText, summarise, toOtlpJson, toStored } from './stored-span.ts';
import {
  evictableShare,
  slowShare,
  spansPerTrace,
  type TraceCursor,
  type TraceKeeper,
  type TraceLimits,
  type TracePage,
  type TraceQuery,
} from './traces.ts';

/** Eviction makes room for this share of the limits, so that it does not sort the traces for every new one. */
const roomShare = 0.05;

interface Trace {
  id: number;
  traceId: string;
  spans: ReadableSpan[];
  bytes: number;
  startedAt: number;
  endedAt: number;
  hasError: boolean;
  outcome: unknown;
  /** Computed for the first list after a change. */
  summary: TraceSummary | undefined;
}

export function createMemoryStore(limits: TraceLimits): TraceKeeper {
  // In insertion order: oldest first.
  const traces = new Map<string, Trace>();
  let bytes = 0;
  let nextId = 1;

  function begin(traceId: string): Trace {
    const facts = { startedAt: Infinity, endedAt: 0, hasError: false, outcome: undefined };
    const trace = { id: nextId++, traceId, spans: [], bytes: 0, summary: undefined, ...facts };
    traces.set(traceId, trace);
    return trace;
  }

  /** Whether the limits, less this share, are exceeded. */
  function isAbove(share: number): boolean {
    const below = (limit: number): number => limit - Math.floor(limit * share);
    return traces.size > below(limits.traces) || bytes > below(limits.bytes);
  }

  function evict(): void {
    if (!isAbove(0)) return;
    // Repeated, because each round evicts at most the oldest three quarters.
    while (traces.size > 1 && isAbove(roomShare)) {
      const oldest = [...traces.values()].slice(0, Math.ceil(traces.size * evictableShare));
      for (const trace of oldest.toSorted((one, other) => rankOf(one) - rankOf(other))) {
        if (traces.size === 1 || !isAbove(roomShare)) break;
        traces.delete(trace.traceId);
        bytes -= trace.bytes;
      }
    }
  }

  function onEnd(span: ReadableSpan): void {
    const { traceId, traceFlags } = span.spanContext();
    if ((traceFlags & TraceFlags.SAMPLED) === 0) return;
    const trace = traces.get(traceId) ?? begin(traceId);
    if (trace.spans.length >= spansPerTrace) return;
    const size = sizeOf(span);
    trace.spans.push(span);
    trace.bytes += size;
    trace.startedAt = Math.min(trace.startedAt, hrTimeToMilliseconds(span.startTime));
    trace.endedAt = Math.max(trace.endedAt, hrTimeToMilliseconds(span.endTime));
    trace.hasError ||= span.status.code === SpanStatusCode.ERROR;
    trace.outcome ??= span.attributes[s.outcome];
    trace.summary = undefined;
    bytes += size;
    evict();
  }

  return {
    store: {
      list: (query = {}) => Promise.resolve(pageOf([...traces.values()], query)),
      get(traceId) {
        const trace = traces.get(traceId);
        if (trace === undefined) return Promise.resolve(undefined);
        return Promise.resolve(toOtlpJson(trace.spans));
      },
    },
    processor: {
      onStart() {},
      onEnd,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
    lost: () => 0,
  };
}

function summaryOf(trace: Trace): TraceSummary {
  trace.summary ??= summarise(trace.spans.map(toStored));
  return trace.summary;
}

/** The traces with the lowest ranks are evicted first. Failed ones have the same rank, so that the oldest of them go first. */
function rankOf(trace: Trace): number {
  return isFailed(trace) ? Number.MAX_VALUE : trace.endedAt - trace.startedAt;
}

function pageOf(stored: readonly Trace[], query: TraceQuery): TracePage {
  const { limit = 50, filter = 'all', sort = 'newest', cursor } = query;
  const slowMillis = slowestTenth(stored);
  const isOf = (filter: TraceFilter, { failed, outcome, durationMillis }: TraceSummary): boolean =>
    ({
      all: true,
      slow: durationMillis >= slowMillis,
      failed,
      rejected: outcome === 'rejected',
      cancelled: outcome === 'cancelled',
    })[filter];
  const matching = stored.filter((trace) => matches(query, summaryOf(trace)));
  const order = sort === 'newest' ? newestFirst : slowestFirst;
  const rest = matching
    .filter((trace) => isOf(filter, summaryOf(trace)))
    .map((trace) => ({ id: trace.id, durationMillis: summaryOf(trace).durationMillis, trace }))
    .toSorted(order)
    .filter((place) => cursor === undefined || order(cursor, place) < 0);
  const last = rest.length > limit ? rest[limit - 1] : undefined;
  return {
    traces: rest.slice(0, limit).map(({ trace }) => summaryOf(trace)),
    ...(last && { next: { id: last.id, durationMillis: last.durationMillis } }),
    counts: Object.fromEntries(
      traceFilters.map((name) => [
        name,
        matching.filter((trace) => isOf(name, summaryOf(trace))).length,
      ]),
    ) as TracePage['counts'],
  };
}

function newestFirst(one: TraceCursor, other: TraceCursor): number {
  return other.id - one.id;
}

function slowestFirst(one: TraceCursor, other: TraceCursor): number {
  return other.durationMillis - one.durationMillis || newestFirst(one, other);
}

function slowestTenth(traces: readonly Trace[]): number {
  const durations = traces.map((trace) => summaryOf(trace).durationMillis);
  const place = Math.ceil(durations.length * slowShare) - 1;
  return durations.toSorted((one, other) => other - one)[place] ?? 0;
}

function matches(query: TraceQuery, summary: TraceSummary): boolean {
  const { route, client, error, from, to, minMillis = 0, maxMillis = Infinity } = query;
  const { startedAt, durationMillis } = summary;
  return (
    (route === undefined || summary.route === route) &&
    (client === undefined || summary.client === client) &&
    (error === undefined || searchedText(summary).includes(error.toLowerCase())) &&
    (from === undefined || startedAt >= from) &&
    (to === undefined || startedAt < to) &&
    durationMillis >= minMillis &&
    durationMillis <= maxMillis
  );
}

/** Estimated memory of a span in bytes: a constant for its objects and ids, plus its texts. */
function sizeOf(span: ReadableSpan): number {
  let size = 600 + span.name.length;
  for (const [key, value] of Object.entries(span.attributes)) {
    size += 2 * (key.length + (typeof value === 'number' ? 8 : String(value).length));
  }
  for (const event of span.events) size += 100 + 2 * JSON.stringify(event.attributes ?? {}).length;
  return size;
}
