/** Draws a trace as text, one span a line: name, duration, bar, facts. Used by `make trace` and `make chat`. */
import type { styleText } from 'node:util';
import { firstTokenEvent } from '../../otel/names.ts';
import {
  explainError,
  factOf,
  type FactName,
  type Phase,
  type Row,
  type Stretch,
  type Waterfall,
} from '../../otel/traces/rows.ts';

export interface WaterfallOptions {
  /** Columns of the terminal. */
  width: number;
  /** `styleText`, or a function that returns the text without colors. */
  paint: (format: Parameters<typeof styleText>[0], text: string) => string;
}

interface Line {
  label: string;
  duration: string;
  row: Row;
  facts: string;
}

/** The facts to the right of a bar, in this order. */
const factFormats: readonly [name: FactName, format: (value: string | number) => string][] = [
  ['statusCode', String],
  ['outcome', String],
  ['reason', String],
  ['queuePosition', (position) => `position ${position}`],
  ['inputTokens', (tokens) => `${tokens} in`],
  ['cachedTokens', (tokens) => `${tokens} cached`],
  ['outputTokens', (tokens) => `${tokens} out`],
  ['tokensPerSecond', (rate) => `${Number(rate).toFixed(1)}/s`],
];

const colors = {
  tokenize: 'gray',
  queue: 'yellow',
  prefill: 'cyan',
  decode: 'green',
} as const satisfies Record<Phase, string>;
const gap = '  ';
/** With fewer columns bars look alike, so the facts move to a line of their own. */
const minBarColumns = 16;
const maxBarColumns = 80;

/** One line about a request that was refused or failed; empty if it was answered. */
export function describeError(trace: Waterfall): string {
  const error = explainError(trace);
  if (error === undefined) return '';
  const { message, param, status } = error;
  // Most messages begin with the field.
  const field = param === undefined || message.startsWith(param) ? '' : ` (${param})`;
  return printable(`${status ?? ''} ${message}${field}`.trim()) + '\n';
}

/** Empty for a trace without spans. */
export function drawWaterfall(trace: Waterfall, { width, paint }: WaterfallOptions): string {
  const lines = toLines(trace.rows);
  const widest = (of: (line: Line) => string): number =>
    Math.max(0, ...lines.map((line) => of(line).length));
  const labelColumns = widest((line) => line.label);
  const durationColumns = widest((line) => line.duration);
  const before = labelColumns + durationColumns + 2 * gap.length;
  const besideFacts = width - before - widest((line) => line.facts) - gap.length;
  const isWide = besideFacts >= minBarColumns;
  const barColumns = Math.min(maxBarColumns, isWide ? besideFacts : Math.max(8, width - before));
  const drawn = lines.flatMap(({ label, duration, row, facts }) => {
    const bar = (row.gaps ?? [row]).reduce(
      (drawn, stretch) => drawn + drawBar(stretch, trace.durationMillis, barColumns, drawn.length),
      '',
    );
    const start = [label.padEnd(labelColumns), duration.padStart(durationColumns)].join(gap);
    const color = row.failed ? 'red' : row.phase === undefined ? 'gray' : colors[row.phase];
    const line = start + gap + paint(color, bar);
    if (facts === '') return [line];
    const dimmed = paint('dim', facts);
    if (isWide) return [line + ' '.repeat(barColumns - bar.length) + gap + dimmed];
    return [line, ' '.repeat(before) + dimmed];
  });
  return drawn.map((line) => `${line}\n`).join('');
}

function toLines(rows: readonly Row[]): Line[] {
  // For each depth, whether the last row drawn there has no further sibling.
  const isLast: boolean[] = [];
  return rows.map((row) => {
    const { depth, isLastChild, name, durationMillis } = row;
    const above = isLast.slice(1, depth).map((last) => (last ? '  ' : '│ '));
    const branch = depth === 0 ? '' : `${above.join('')}${isLastChild ? '└ ' : '├ '}`;
    isLast[depth] = isLastChild;
    const label = branch + printable(name);
    return { label, duration: formatMillis(durationMillis), row, facts: printable(listFacts(row)) };
  });
}

function listFacts(row: Row): string {
  const facts = factFormats.flatMap(([name, format]) => {
    const value = factOf(row, name);
    return value === undefined ? [] : [format(value)];
  });
  const first = row.events.find(({ name }) => name === firstTokenEvent);
  if (first !== undefined) facts.push(`first token at ${formatMillis(first.atMillis)}`);
  return facts.join(', ');
}

/** The bar ends in eighths of a column, and begins after the `drawn` columns. A span of any length gets at least one eighth. */
function drawBar(
  { startMillis, durationMillis }: Stretch,
  totalMillis: number,
  columns: number,
  drawn: number,
): string {
  const perMilli = totalMillis === 0 ? 0 : columns / totalMillis;
  const start = Math.min(columns - 1, Math.floor(startMillis * perMilli));
  const end = Math.round((startMillis + durationMillis) * perMilli * 8);
  const eighths = Math.max(1, end - start * 8);
  const rest = eighths % 8;
  const partial = rest === 0 ? '' : '▏▎▍▌▋▊▉'[rest - 1];
  if (start < drawn) return '';
  return `${' '.repeat(start - drawn)}${'█'.repeat(Math.floor(eighths / 8))}${partial}`;
}

function formatMillis(millis: number): string {
  if (millis >= 1000) return `${(millis / 1000).toFixed(2)} s`;
  return `${millis.toFixed(millis < 100 ? 1 : 0)} ms`;
}

/** Removes control characters, which would steer the terminal: span names and attributes may contain a client's text. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '');
}
