/** JSON logs whose lines carry the ids of the trace they belong to. */
import { trace } from '@opentelemetry/api';
import { pino, type Logger } from 'pino';

export function createLogger(options: { name: string }): Logger {
  return pino({
    name: options.name,
    level: process.env['LOG_LEVEL'] ?? 'info',
    // pino's own instrumentation sees nothing of an ESM program.
    mixin() {
      const span = trace.getActiveSpan()?.spanContext();
      return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
    },
  });
}
