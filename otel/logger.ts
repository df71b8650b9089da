/** Structured logs: pino, one JSON line each on standard output, with the ids of the active trace. */
import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type Logger } from 'pino';

export type { Logger } from 'pino';

/** `level` falls back to LOG_LEVEL, then `info`. */
export function createLogger(options: { name: string; level?: string }): Logger {
  return pino({
    name: options.name,
    level: options.level ?? (process.env['LOG_LEVEL'] || 'info'),
    timestamp: stdTimeFunctions.isoTime,
    // The word, not pino's number: people and log stores both read it.
    formatters: { level: (label) => ({ level: label }) },
    mixin: activeTrace,
  });
}

/** Under plain ESM the pino instrumentation sees no import to patch, so the ids are put in here. */
function activeTrace(): { trace_id?: string; span_id?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !trace.isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
