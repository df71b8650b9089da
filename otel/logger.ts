/** Structured logs: pino on standard output, one line each with the ids of the active trace; JSON, or pretty for people. */
import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type Logger, type LoggerOptions } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type { Logger } from 'pino';

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const formats = ['json', 'pretty'];

/**
 * `level` falls back to LOG_LEVEL, then `info`; LOG_FORMAT is `json` or `pretty`.
 * @throws Error in one sentence for a value that is neither.
 */
export function createLogger(options: { name: string; level?: string }): Logger {
  const settings: LoggerOptions = {
    name: options.name,
    level: options.level ?? readChoice('LOG_LEVEL', levels, 'info'),
    timestamp: stdTimeFunctions.isoTime,
    // The word, not pino's number: people and log stores both read it.
    formatters: { level: (label) => ({ level: label }) },
    mixin: activeTrace,
  };
  if (readChoice('LOG_FORMAT', formats, 'json') === 'json') return pino(settings);
  // Written at once: a program that exits would lose what a stream still holds.
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

/** Under plain ESM the pino instrumentation sees no import to patch, so the ids are put in here. */
function activeTrace(): { trace_id?: string; span_id?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !trace.isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
