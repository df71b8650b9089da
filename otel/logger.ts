/**
 * Structured logs by pino on standard output: one line per record, with the ids of the active span. OTEL_LOGS_EXPORTER sends the same
 * records on.
 */
import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type Logger, type LoggerOptions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { createLogOutput, type LogOutput } from './log-output.ts';
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
  return pino(settings, outputIn(readChoice('LOG_FORMAT', formats, 'json')));
}

const outputs = new Map<string, LogOutput>();

/** All loggers of a process share an output, because they share the file. */
function outputIn(format: string): LogOutput {
  const known = outputs.get(format);
  if (known !== undefined) return known;
  const pretty = prettyFactory({
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  const toText = format === 'json' ? (line: string) => line : pretty;
  const output = createLogOutput((lines, code) => toText(describeLoss(lines, code)));
  const created: LogOutput = { write: (line) => output.write(toText(line)) };
  outputs.set(format, created);
  return created;
}

function describeLoss(lines: number, code: string): string {
  const time = new Date().toISOString();
  const msg = 'log lines were lost, because they could not be written';
  return `${JSON.stringify({ level: 'warn', time, pid: process.pid, name: 'log', lines, code, msg })}\n`;
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
