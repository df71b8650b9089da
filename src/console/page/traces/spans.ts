/** OTLP JSON as the rows of a waterfall: when each span began and ended, how deep it lies, and what it says. */

interface OtlpValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values?: OtlpValue[] };
}

interface OtlpSpan {
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: { key: string; value: OtlpValue }[];
  events?: { name: string; timeUnixNano: string }[];
  status?: { code?: number; message?: string };
}

export interface OtlpTrace {
  resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
}

export const phases = ['tokenize', 'queue', 'prefill', 'decode'] as const;
export type Phase = (typeof phases)[number];

/** Milliseconds since the trace began. */
export interface Row {
  id: string;
  name: string;
  /** Undefined for the spans that hold the phases. */
  phase: Phase | undefined;
  depth: number;
  startMillis: number;
  durationMillis: number;
  failed: boolean;
  attributes: [string, string][];
  events: { name: string; atMillis: number }[];
}

export interface Waterfall {
  /** Epoch milliseconds. */
  startedAt: number;
  durationMillis: number;
  /** In the order in which they began, children after their parents. */
  rows: Row[];
  /** Whether the request's own span is here: it is the last to end. */
  whole: boolean;
}

export function toWaterfall(trace: OtlpTrace): Waterfall {
  const spans = trace.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope) => scope.spans),
  );
  const known = new Map(spans.map((span) => [span.spanId, span]));
  const start = spans.reduce((least, span) => min(least, nanos(span.startTimeUnixNano)), nanos());
  const end = spans.reduce((most, span) => max(most, nanos(span.endTimeUnixNano)), 0n);
  const millisAt = (time: string): number => Number(nanos(time) - start) / 1e6;
  const depthOf = (span: OtlpSpan): number => {
    const parent = known.get(span.parentSpanId ?? '');
    return parent === undefined ? 0 : depthOf(parent) + 1;
  };
  const rows = spans.map((span): Row => {
    const startMillis = millisAt(span.startTimeUnixNano);
    return {
      id: span.spanId,
      name: span.name,
      phase: phases.find((phase) => phase === span.name),
      depth: depthOf(span),
      startMillis,
      durationMillis: millisAt(span.endTimeUnixNano) - startMillis,
      failed: span.status?.code === 2,
      attributes: (span.attributes ?? []).map(({ key, value }) => [key, toText(value)]),
      events: (span.events ?? []).map((event) => ({
        name: event.name,
        atMillis: millisAt(event.timeUnixNano),
      })),
    };
  });
  rows.sort((a, b) => a.startMillis - b.startMillis || a.depth - b.depth);
  return {
    startedAt: Number(start / 1_000_000n),
    durationMillis: rows.length === 0 ? 0 : Number(end - start) / 1e6,
    rows,
    whole: rows.some(
      (row) => row.depth === 0 && row.phase === undefined && row.name.includes(' /'),
    ),
  };
}

/** The phase that took longest, and its share of the whole. */
export function longestPhase(
  waterfall: Waterfall,
): { row: Row & { phase: Phase }; share: number } | undefined {
  const found = waterfall.rows
    .filter((row): row is Row & { phase: Phase } => row.phase !== undefined)
    .toSorted((a, b) => b.durationMillis - a.durationMillis)[0];
  if (found === undefined || waterfall.durationMillis === 0) return undefined;
  return { row: found, share: found.durationMillis / waterfall.durationMillis };
}

export function attributeOf(row: Row, key: string): string | undefined {
  return row.attributes.find(([name]) => name === key)?.[1];
}

function toText(value: OtlpValue): string {
  if (value.arrayValue !== undefined) {
    return (value.arrayValue.values ?? []).map(toText).join(', ');
  }
  if (value.doubleValue !== undefined) return String(Number(value.doubleValue.toPrecision(6)));
  return String(value.stringValue ?? value.intValue ?? value.boolValue ?? '');
}

/** Beyond what a number can hold exactly. Nothing is later than all. */
function nanos(text = '9223372036854775807'): bigint {
  return BigInt(text);
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
