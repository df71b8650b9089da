/**
 * One line of a log for people: time, process, level, message and fields, cut to the width of the terminal. Reads pino's JSON and the
 * logfmt of Prometheus and Alertmanager. Used by `make logs` on a terminal.
 */
import { styleText } from 'node:util';
import { cutColumns, padColumns } from '../src/kit/table.ts';

interface LogLine {
  time: string | undefined;
  level: string;
  message: string;
  fields: string;
}

export interface LogLayout {
  /** Columns of the terminal. */
  columns: number;
  /** Columns of the longest name. */
  nameColumns: number;
  /** `styleText`, or a function that returns the text without colors. */
  paint?: (format: Parameters<typeof styleText>[0], text: string) => string;
}

const colors = { error: 'red', fatal: 'red', warn: 'yellow' } as const;
const levelColumns = 5;
/** Fields that are the same in every line of a process, or that only machines read. */
const hidden = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'name', 'span_id', 'ts', 'v']);

export function formatLogLine(name: string, text: string, layout: LogLayout): string {
  const { columns, nameColumns, paint = styleText } = layout;
  const { time, level, message, fields } = parse(text);
  const clock = padColumns(readClock(time), 8);
  const head = `${clock}  ${padColumns(name, nameColumns)}  ${padColumns(level, levelColumns)}  `;
  const rest = cutColumns(fields === '' ? message : `${message}  ${fields}`, columns - head.length);
  const color = colors[level as keyof typeof colors];
  const words = rest.slice(0, message.length);
  return [
    paint('dim', clock),
    paint('cyan', padColumns(name, nameColumns)),
    color === undefined
      ? padColumns(level, levelColumns)
      : paint(color, padColumns(level, levelColumns)),
    (color === undefined ? words : paint(color, words)) + paint('dim', rest.slice(words.length)),
  ].join('  ');
}

function parse(text: string): LogLine {
  const record = parseJson(text) ?? parseLogfmt(text);
  if (record === undefined) {
    // The supervisor's own lines begin with a time.
    const [, time, message = text] = /^(\d{4}-\S+Z) (.*)$/s.exec(text) ?? [];
    return { time, level: '', message: printable(message), fields: '' };
  }
  const { level, time, ts, msg } = record;
  const fields = Object.entries(record).filter(([key]) => !hidden.has(key));
  return {
    time: write(time ?? ts ?? ''),
    level: write(level ?? '').toLowerCase(),
    message: printable(write(msg ?? '')),
    fields: printable(fields.map(([key, value]) => `${key}=${write(value)}`).join(' ')),
  };
}

type LogRecord = Record<string, unknown>;

function parseJson(text: string): LogRecord | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as LogRecord;
  } catch {
    // Cut off by a rotation, or another program's output.
    return undefined;
  }
}

/** https://brandur.org/logfmt; `err` and other keys stay fields. */
function parseLogfmt(text: string): LogRecord | undefined {
  if (!/^(ts|time|level|caller)=/.test(text)) return undefined;
  const pairs = text.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)/g);
  return Object.fromEntries([...pairs].map(([, key = '', value = '']) => [key, unquote(value)]));
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

function write(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(4)));
  if (typeof value === 'string') return value;
  const { message } = (value ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(value);
}

/** The local time of day. */
function readClock(time: string | undefined): string {
  const date = new Date(time ?? '');
  if (Number.isNaN(date.getTime())) return '';
  return date.toLocaleTimeString('en-GB', { hour12: false });
}

/** Without control characters, which would steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
