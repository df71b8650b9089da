/** A trace as text: one line a span, its time as a bar under those of the others. Used by `make trace` and `make chat`. */
import type { styleText } from 'node:util';
import { attributes as a, firstTokenEvent, spanAttributes as s } from '../../otel/names.ts';
import type { TraceSpan } from './client.ts';

export interface WaterfallOptions {
  /** Columns of the terminal. */
  width: number;
  /** `styleText`, or what leaves the text as it is. */
  paint: (format: Parameters<typeof styleText>[0], text: string) => string;
}

interface Row {
  label: string;
  duration: string;
  /** Milliseconds since the trace began. */
  from: number;
  to: number;
  facts: string;
  color: 'red' | 'yellow' | 'cyan' | 'green' | 'gray';
}

/** What is said of a span beside its bar, in this order. */
const told: readonly [key: string, say: (value: string | number) => string][] = [
  [a.httpResponseStatusCode, (status) => `${status}`],
  [a.outcome, (outcome) => `${outcome}`],
  [a.reason, (reason) => `${reason}`],
  [s.queuePosition, (position) => `position ${position}`],
  [s.inputTokens, (tokens) => `${tokens} in`],
  [s.cachedTokens, (tokens) => `${tokens} cached`],
  [s.outputTokens, (tokens) => `${tokens} out`],
  [s.tokensPerSecond, (rate) => `${Number(rate).toFixed(1)}/s`],
];

const colors: Record<string, Row['color']> = { queue: 'yellow', prefill: 'cyan', decode: 'green' };
const gap = '  ';
/** Narrower than this no bar can be told from another; what is said of a span then goes below it. */
const leastBar = 16;
const mostBar = 80;

/** Empty for a trace without spans. */
export function drawWaterfall(spans: readonly TraceSpan[], options: WaterfallOptions): string {
  const rows = toRows(spans);
  const { width, paint } = options;
  const total = Math.max(0, ...rows.map(({ to }) => to));
  const widest = (of: (row: Row) => string): number =>
    Math.max(0, ...rows.map((row) => of(row).length));
  const labels = widest((row) => row.label);
  const durations = widest((row) => row.duration);
  const before = labels + durations + 2 * gap.length;
  const beside = width - before - widest((row) => row.facts) - gap.length;
  const isWide = beside >= leastBar;
  const bar = Math.min(mostBar, isWide ? beside : Math.max(8, width - before));
  const lines = rows.flatMap((row) => {
    const drawn = drawBar(row, total, bar);
    const start = [row.label.padEnd(labels), row.duration.padStart(durations)].join(gap);
    const line = start + gap + paint(row.color, drawn);
    if (row.facts === '') return [line];
    const facts = paint('dim', row.facts);
    if (isWide) return [line + ' '.repeat(bar - drawn.length) + gap + facts];
    return [line, ' '.repeat(before) + facts];
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** Parents before their children, and those in the order in which they began. */
function toRows(spans: readonly TraceSpan[]): Row[] {
  const here = new Set(spans.map(({ spanId }) => spanId));
  const origin = spans.reduce<bigint | undefined>(
    (least, { startTimeUnixNano: at }) => (least === undefined || at < least ? at : least),
    undefined,
  );
  const millis = (at: bigint): number => Number(at - (origin ?? 0n)) / 1e6;
  const childrenOf = (parent: string | undefined): TraceSpan[] =>
    spans
      .filter(({ parentSpanId }) =>
        parent === undefined ? !here.has(parentSpanId ?? '') : parentSpanId === parent,
      )
      .toSorted((one, other) => millis(one.startTimeUnixNano) - millis(other.startTimeUnixNano));

  const draw = (span: TraceSpan, branch: string, indent: string): Row[] => {
    const children = childrenOf(span.spanId);
    const below = children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      return draw(child, `${indent}${isLast ? '└ ' : '├ '}`, `${indent}${isLast ? '  ' : '│ '}`);
    });
    return [toRow(span, branch, millis), ...below];
  };
  return childrenOf(undefined).flatMap((root) => draw(root, '', ''));
}

function toRow(span: TraceSpan, branch: string, millis: (at: bigint) => number): Row {
  const values = new Map(span.attributes.map(({ key, value }) => [key, value]));
  const facts = told.flatMap(([key, say]) => {
    const value = values.get(key);
    return value === undefined ? [] : [say(value)];
  });
  const first = span.events.find(({ name }) => name === firstTokenEvent);
  if (first !== undefined) facts.push(`first token at ${formatMillis(millis(first.timeUnixNano))}`);
  const from = millis(span.startTimeUnixNano);
  const to = millis(span.endTimeUnixNano);
  const failed = span.status.code === 2;
  return {
    label: branch + printable(span.name),
    duration: formatMillis(to - from),
    from,
    to,
    facts: printable(facts.join(', ')),
    color: failed ? 'red' : (colors[span.name] ?? 'gray'),
  };
}

/** In eighths of a column at its end; whatever was there at all is seen. */
function drawBar({ from, to }: Row, total: number, columns: number): string {
  const perMilli = total === 0 ? 0 : columns / total;
  const start = Math.min(columns - 1, Math.floor(from * perMilli));
  const eighths = Math.max(1, Math.round(to * perMilli * 8) - start * 8);
  const rest = eighths % 8;
  const partial = rest === 0 ? '' : '▏▎▍▌▋▊▉'[rest - 1];
  return `${' '.repeat(start)}${'█'.repeat(Math.floor(eighths / 8))}${partial}`;
}

function formatMillis(millis: number): string {
  if (millis >= 1000) return `${(millis / 1000).toFixed(2)} s`;
  return `${millis.toFixed(millis < 100 ? 1 : 0)} ms`;
}

/** A terminal obeys control characters, and a name may come from anywhere. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '');
}
