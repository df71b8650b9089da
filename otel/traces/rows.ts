/**
 * The responses of `GET /api/traces` and `GET /api/traces/{id}`, and the rows of a waterfall built from a trace. Used by the trace
 * store, `make trace` and the console's page, so it imports no Node module.
 */
import { attributes as a, firstTokenEvent, spanAttributes as s, spans as n } from '../names.ts';
import type { Outcome, Reason } from '../names.ts';

export { generationRoutes as routes } from '../names.ts';

/** `slow` is the slowest tenth of the stored traces, because what counts as slow depends on the model and the machine. */
export const traceFilters = ['all', 'slow', 'failed', 'rejected', 'cancelled'] as const;
export type TraceFilter = (typeof traceFilters)[number];

export interface TraceSummary {
  traceId: string;
  /** Name of the span whose parent is not in the trace. */
  name: string;
  /** Epoch milliseconds. */
  startedAt: number;
  durationMillis: number;
  /** Whether the generation failed; without one, whether any span has the status ERROR. */
  failed: boolean;
  /** How the generation ended; undefined if the request started none. */
  outcome?: Outcome;
  reason?: Reason;
  /** Number of spans. */
  spans: number;
  route?: string;
  statusCode?: number;
  /** Id of the API key; without keys the client's address. */
  client?: string;
  model?: string;
  /** Why the request was refused or failed, without any text of a prompt. `param` is the invalid field. */
  error?: { message: string; param?: string };
  inputTokens?: number;
  outputTokens?: number;
  /** From the start of the trace. */
  firstTokenMillis?: number;
  /** Duration of each phase in milliseconds. */
  phases?: Partial<Record<Phase, number>>;
}

/** OTLP JSON, as far as a waterfall needs it: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
export interface OtlpTrace {
  resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
}

interface OtlpSpan {
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind?: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: { key: string; value: OtlpValue }[];
  events?: { name: string; timeUnixNano: string }[];
  status?: { code?: number };
}

interface OtlpValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values?: OtlpValue[] };
}

/** The enum values of https://github.com/open-telemetry/opentelemetry-proto/blob/v1.5.0/opentelemetry/proto/trace/v1/trace.proto */
const serverKind = 2;
const errorStatus = 2;

/** The phases of a generation, in order; each is a span with this name. */
export const phases = [n.tokenize, n.queue, n.prefill, n.decode] as const;
export type Phase = (typeof phases)[number];

/** One span. Times are milliseconds since the trace began. */
export interface Row {
  id: string;
  name: string;
  /** Undefined for the spans around the phases. */
  phase: Phase | undefined;
  depth: number;
  isLastChild: boolean;
  startMillis: number;
  durationMillis: number;
  failed: boolean;
  attributes: [key: string, value: string | number][];
  events: { name: string; atMillis: number }[];
  /** The times of a row that is no span: those that no phase explains. `durationMillis` is their sum. */
  gaps?: readonly Stretch[];
}

export interface Stretch {
  startMillis: number;
  durationMillis: number;
}

export interface Waterfall {
  /** Epoch milliseconds. */
  startedAt: number;
  durationMillis: number;
  /** Parents before their children, siblings in the order in which they began. */
  rows: Row[];
  /** Whether the trace has its server span. This span ends when the last byte is sent, so a client may request the trace before that. */
  isWhole: boolean;
}

export function toWaterfall(trace: OtlpTrace): Waterfall {
  const spans = trace.resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
    .toSorted((one, other) => Number(nanosOf(one) - nanosOf(other)));
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const start = spans[0] === undefined ? 0n : nanosOf(spans[0]);
  const millisAt = (nanos: string): number => Number(BigInt(nanos) - start) / 1e6;

  const toRows = (siblings: OtlpSpan[], depth: number): Row[] =>
    siblings.flatMap((span, index) => [
      toRow(span, millisAt, { depth, isLastChild: index === siblings.length - 1 }),
      ...toRows(
        spans.filter(({ parentSpanId }) => parentSpanId === span.spanId),
        depth + 1,
      ),
    ]);
  const roots = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId ?? ''));
  const durationMillis = Math.max(
    0,
    ...spans.map(({ endTimeUnixNano }) => millisAt(endTimeUnixNano)),
  );
  return {
    startedAt: Number(start / 1_000_000n),
    durationMillis,
    rows: withRest(toRows(roots, 0), durationMillis),
    isWhole: spans.some(({ kind }) => kind === serverKind),
  };
}

/** The time that no phase explains gets a row if it is more than this share of the trace. */
const restShare = 0.1;

function withRest(rows: Row[], durationMillis: number): Row[] {
  const last = rows.findLastIndex(({ phase }) => phase !== undefined);
  if (last === -1) return rows;
  const gaps = gapsBetween(
    rows.filter(({ phase }) => phase !== undefined),
    durationMillis,
  );
  const restMillis = gaps.reduce((sum, gap) => sum + gap.durationMillis, 0);
  if (restMillis <= restShare * durationMillis) return rows;
  const { depth, isLastChild } = rows[last]!;
  const rest: Row = {
    id: restName,
    name: restName,
    phase: undefined,
    depth,
    isLastChild,
    startMillis: gaps[0]!.startMillis,
    durationMillis: restMillis,
    failed: false,
    attributes: [],
    events: [],
    gaps,
  };
  return rows
    .slice(0, last)
    .concat({ ...rows[last]!, isLastChild: false }, rest, rows.slice(last + 1));
}

export const restName = 'rest';

function gapsBetween(phases: readonly Row[], durationMillis: number): Stretch[] {
  const gaps: Stretch[] = [];
  let end = 0;
  const leave = (startMillis: number): void => {
    if (startMillis > end) gaps.push({ startMillis: end, durationMillis: startMillis - end });
  };
  for (const row of phases.toSorted((one, other) => one.startMillis - other.startMillis)) {
    leave(row.startMillis);
    end = Math.max(end, row.startMillis + row.durationMillis);
  }
  leave(durationMillis);
  return gaps;
}

function nanosOf(span: OtlpSpan): bigint {
  return BigInt(span.startTimeUnixNano);
}

function toRow(
  span: OtlpSpan,
  millisAt: (nanos: string) => number,
  place: Pick<Row, 'depth' | 'isLastChild'>,
): Row {
  const { spanId, name, startTimeUnixNano, endTimeUnixNano, attributes, events, status } = span;
  const startMillis = millisAt(startTimeUnixNano);
  return {
    id: spanId,
    name,
    phase: phases.find((phase) => phase === name),
    ...place,
    startMillis,
    durationMillis: millisAt(endTimeUnixNano) - startMillis,
    failed: status?.code === errorStatus,
    attributes: (attributes ?? []).map(({ key, value }) => [key, toValue(value)]),
    events: (events ?? []).map((event) => ({
      name: event.name,
      atMillis: millisAt(event.timeUnixNano),
    })),
  };
}

function toValue({
  stringValue,
  intValue,
  doubleValue,
  boolValue,
  arrayValue,
}: OtlpValue): string | number {
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(toValue).join(', ');
  // JSON encoders may write a 64-bit integer as a string.
  if (intValue !== undefined) return Number(intValue);
  return doubleValue ?? stringValue ?? String(boolValue ?? '');
}

const factKeys = {
  statusCode: a.httpResponseStatusCode,
  outcome: s.outcome,
  reason: s.reason,
  queuePosition: s.queuePosition,
  inputTokens: s.inputTokens,
  cachedTokens: s.cachedTokens,
  outputTokens: s.outputTokens,
  tokensPerSecond: s.tokensPerSecond,
  client: s.client,
  peerAddress: 'network.peer.address',
  model: a.genAiResponseModel,
  streamEnding: s.streamEnding,
  errorMessage: s.errorMessage,
  errorParam: s.errorParam,
} as const;
export type FactName = keyof typeof factKeys;

/** Why the request was refused or failed, with its HTTP status; undefined if it was answered. */
export function explainError(
  trace: Pick<Waterfall, 'rows'>,
): { message: string; param?: string; status?: number } | undefined {
  const find = (name: FactName): string | number | undefined =>
    trace.rows.map((row) => factOf(row, name)).find((value) => value !== undefined);
  const message = find('errorMessage');
  if (message === undefined) return undefined;
  const [param, status] = [find('errorParam'), find('statusCode')];
  return {
    message: String(message),
    ...(param !== undefined && { param: String(param) }),
    ...(status !== undefined && { status: Number(status) }),
  };
}

/** The attribute that a waterfall explains under a name of its own; undefined if the span has none. */
export function factOf(row: Row, name: FactName): string | number | undefined {
  return row.attributes.find(([key]) => key === factKeys[name])?.[1];
}

/** Milliseconds from the start of the trace to its first token; undefined if it has none. */
export function firstTokenOf({ rows }: Pick<Waterfall, 'rows'>): number | undefined {
  return rows.flatMap(({ events }) => events).find(({ name }) => name === firstTokenEvent)
    ?.atMillis;
}
