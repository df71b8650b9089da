/** Passes what pino writes to OpenTelemetry's logger provider, if OTEL_LOGS_EXPORTER created one. Used by `logger.ts`. */
import {
  isSpanContextValid,
  logs,
  ROOT_CONTEXT,
  SeverityNumber,
  trace,
  TraceFlags,
  type Attributes,
} from '@opentelemetry/api';

const severities: Record<string, SeverityNumber> = {
  fatal: SeverityNumber.FATAL,
  error: SeverityNumber.ERROR,
  warn: SeverityNumber.WARN,
  info: SeverityNumber.INFO,
  debug: SeverityNumber.DEBUG,
  trace: SeverityNumber.TRACE,
};

interface Line extends Attributes {
  level: string;
  time: string;
  msg?: string;
  trace_id?: string;
  span_id?: string;
  err?: { type?: string; message?: string; stack?: string };
}

/** Fields that a record does not repeat: the scope has the logger's name, and the resource has neither process id nor host name. */
const left = { name: undefined, pid: undefined, hostname: undefined };

/**
 * Emits the line that the logger `name` writes. The message is the body; other fields are attributes. Sources:
 * https://opentelemetry.io/docs/specs/otel/logs/data-model/ and https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/
 */
export function emitLine(name: string, text: string): void {
  const logger = logs.getLogger(name);
  if (!logger.enabled()) return;
  const { level, time, msg, trace_id, span_id, err, ...fields } = JSON.parse(text) as Line;
  const span = { traceId: trace_id ?? '', spanId: span_id ?? '', traceFlags: flagsOf(trace_id) };
  const hasSpan = isSpanContextValid(span);
  logger.emit({
    timestamp: new Date(time),
    severityNumber: severities[level] ?? SeverityNumber.UNSPECIFIED,
    severityText: level.toUpperCase(),
    body: msg ?? '',
    context: hasSpan ? trace.setSpanContext(ROOT_CONTEXT, span) : ROOT_CONTEXT,
    attributes: {
      ...fields,
      ...left,
      // The SDK drops a trace id without a span id.
      trace_id: hasSpan ? undefined : trace_id,
      'exception.type': err?.type,
      'exception.message': err?.message,
      'exception.stacktrace': err?.stack,
    },
  });
}

function flagsOf(traceId: string | undefined): TraceFlags {
  const active = trace.getActiveSpan()?.spanContext();
  return active?.traceId === traceId ? (active?.traceFlags ?? TraceFlags.NONE) : TraceFlags.NONE;
}
