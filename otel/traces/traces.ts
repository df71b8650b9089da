/**
 * Keeps recent traces in memory for the console and `GET /api/traces`. It is a span processor, so no tracing backend is needed.
 */
import { SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { hrTimeToMilliseconds } from '@opentelemetry/core';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import { spanAttributes as s, type Outcome, type Reason } from '../names.ts';
import type { TraceFilter, TraceSummary } from './rows.ts';

export interface TraceStore {
  /** The newest `limit` (50) traces that match, newest first. */
  list(options?: { limit?: number; filter?: TraceFilter }): TraceSummary[];
  /** The trace as OTLP JSON (`{ resourceSpans }`); undefined if it is unknown or evicted. */
  get(traceId: string): object | undefined;
}

interface Trace {
  traceId: string;
  spans: ReadableSpan[];
  bytes: number;
  startedAt: number;
  endedAt: number;
  failed: boolean;
  outcome?: Outcome;
  reason?: Reason;
}

/** Limits a trace, because a client may send the same `traceparent` in every request. */
const spansPerTrace = 256;

/**
 * Holds up to `traces` traces and about `bytes` bytes. The newest quarter is never evicted. Of the other traces, the fastest is evicted
 * first, and failed traces last.
 */
export function createTraceStore(options: { traces: number; bytes: number }): {
  store: TraceStore;
  processor: SpanProcessor;
} {
  // In insertion order: oldest first.
  const traces = new Map<string, Trace>();
  let bytes = 0;

  function drop(trace: Trace): void {
    traces.delete(trace.traceId);
    bytes -= trace.bytes;
  }

  function evict(): void {
    while (traces.size > 1 && (traces.size > options.traces || bytes > options.bytes)) {
      const older = [...traces.values()].slice(0, Math.ceil(traces.size * 0.75));
      drop(older.reduce((first, trace) => (rankOf(trace) < rankOf(first) ? trace : first)));
    }
  }

  function onEnd(span: ReadableSpan): void {
    const { traceId, traceFlags } = span.spanContext();
    if ((traceFlags & TraceFlags.SAMPLED) === 0) return;
    let trace = traces.get(traceId);
    if (trace === undefined) {
      trace = { traceId, spans: [], bytes: 0, startedAt: Infinity, endedAt: 0, failed: false };
      traces.set(traceId, trace);
    }
    if (trace.spans.length >= spansPerTrace) return;
    const size = sizeOf(span);
    trace.spans.push(span);
    trace.bytes += size;
    bytes += size;
    trace.startedAt = Math.min(trace.startedAt, hrTimeToMilliseconds(span.startTime));
    trace.endedAt = Math.max(trace.endedAt, hrTimeToMilliseconds(span.endTime));
    const outcome = span.attributes[s.outcome] as Outcome | undefined;
    // A rejected or cancelled generation has the status ERROR too, but the service did not fail.
    trace.failed ||=
      span.status.code === SpanStatusCode.ERROR && (outcome ?? 'failed') === 'failed';
    if (outcome !== undefined) {
      trace.outcome = outcome;
      trace.reason = span.attributes[s.reason] as Reason;
    }
    evict();
  }

  return {
    store: {
      list: ({ limit = 50, filter = 'all' } = {}) =>
        filterTraces([...traces.values()].toReversed(), filter)
          .slice(0, limit)
          .map((trace) => summarise(trace)),
      get(traceId) {
        const trace = traces.get(traceId);
        if (trace === undefined) return undefined;
        const json = JsonTraceSerializer.serializeRequest(trace.spans);
        return json === undefined ? undefined : JSON.parse(Buffer.from(json).toString());
      },
    },
    processor: {
      onStart() {},
      onEnd,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
  };
}

/** The trace with the lowest rank is evicted first. */
function rankOf(trace: Trace): number {
  return trace.failed ? Number.POSITIVE_INFINITY : durationOf(trace);
}

function durationOf(trace: Trace): number {
  return trace.endedAt - trace.startedAt;
}

function filterTraces(traces: Trace[], filter: TraceFilter): Trace[] {
  if (filter === 'failed') return traces.filter((trace) => trace.failed);
  if (filter === 'cancelled') return traces.filter((trace) => trace.outcome === 'cancelled');
  if (filter === 'all') return traces;
  const slowestFirst = traces.toSorted((one, other) => durationOf(other) - durationOf(one));
  const slow = new Set(slowestFirst.slice(0, Math.ceil(traces.length / 10)));
  return traces.filter((trace) => slow.has(trace));
}

function summarise(trace: Trace): TraceSummary {
  const ids = new Set(trace.spans.map((span) => span.spanContext().spanId));
  const root = trace.spans.findLast((span) => !ids.has(span.parentSpanContext?.spanId ?? ''));
  return {
    traceId: trace.traceId,
    name: root?.name ?? '',
    startedAt: trace.startedAt,
    durationMillis: durationOf(trace),
    failed: trace.failed,
    ...(trace.outcome === undefined ? {} : { outcome: trace.outcome }),
    ...(trace.reason === undefined ? {} : { reason: trace.reason }),
    spans: trace.spans.length,
  };
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
