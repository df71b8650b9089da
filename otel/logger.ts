/**
 * Structured logs by pino on standard output: one line per record, with the ids of the active span. OTEL_LOGS_EXPORTER sends the same
 * records on.
 */
import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type Logger, type LoggerOptions } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { emitLine } from './log-records.ts';

export type { Logger } from 'pino';

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const formats = ['json', 'pretty'];

/**
 * `level` defaults to LOG_LEVEL, then `info`. LOG_FORMAT is `json` (default) or `pretty`. `exported: false` keeps the records on
 * standard output.
 * @throws Error for an unknown LOG_LEVEL or LOG_FORMAT.
 */
export function createLogger(options: {
  name: string;
  level?: string;
  exported?: boolean;
}): Logger {
  const { name, exported = true } = options;
  const settings: LoggerOptions = {
    name,
    level: options.level ?? readChoice('LOG_LEVEL', levels, 'info'),
    timestamp: stdTimeFunctions.isoTime,
    // The level as a word: log stores do not know pino's numbers.
    formatters: { level: (label) => ({ level: label }) },
    mixin: activeTrace,
  };
  if (exported) settings.hooks = { streamWrite: (line) => (emitLine(name, line), line) };
  if (readChoice('LOG_FORMAT', formats, 'json') === 'json') return pino(settings);
  // Synchronous, so that no line is lost when the program exits.
  const pretty = PinoPretty({
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  return pino(settings, pretty);
}

function readChoice(name: string, choices: readonly string[], fallback: string): string {
  const text = process.env[name] || fallback;
  if (choices.includes(text)) return text;
  throw new Error(`${name}: expected one of ${choices.join(', ')}, got "${text}"`);
}

/** Replaces @opentelemetry/instrumentation-pino, which cannot patch ES modules. */
function activeTrace(): { trace_id?: string; span_id?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !trace.isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
