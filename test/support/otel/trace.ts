/** Reads a stored trace (OTLP JSON) as a flat list of spans, in the order in which they ended. */
import type { Telemetry } from '../../../otel/sdk.ts';

export interface TestSpan {
  traceId: string;
  id: string;
  parentId: string | undefined;
  name: string;
  kind: number;
  /** Epoch milliseconds. */
  startedAt: number;
  endedAt: number;
  attributes: Record<string, unknown>;
  events: { name: string; at: number }[];
  failed: boolean;
  status: { code: number; message?: string };
}

interface OtlpValue {
  stringValue?: string;
  intValue?: number;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values: OtlpValue[] };
}

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: OtlpValue }[];
  events: { name: string; timeUnixNano: string }[];
  status: { code: number; message?: string };
}

export interface OtlpTrace {
  resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
}

export async function readTrace(telemetry: Telemetry, traceId: string): Promise<TestSpan[]> {
  const trace = (await telemetry.traces.get(traceId)) as OtlpTrace | undefined;
  if (trace === undefined) throw new Error(`no trace ${traceId} in the store`);
  return readSpans(trace);
}

export function readSpans(trace: OtlpTrace): TestSpan[] {
  const spans = trace.resourceSpans.flatMap((resource) =>
    resource.scopeSpans.flatMap((scope) => scope.spans),
  );
  return spans.map((span) => ({
    traceId: span.traceId,
    id: span.spanId,
    parentId: span.parentSpanId,
    name: span.name,
    kind: span.kind,
    startedAt: millis(span.startTimeUnixNano),
    endedAt: millis(span.endTimeUnixNano),
    attributes: Object.fromEntries(span.attributes.map(({ key, value }) => [key, plain(value)])),
    events: span.events.map(({ name, timeUnixNano }) => ({ name, at: millis(timeUnixNano) })),
    failed: span.status?.code === 2,
    status: span.status,
  }));
}

/** @throws Error with the names of the spans that exist. */
export function findSpan(spans: readonly TestSpan[], name: string): TestSpan {
  const span = spans.find((candidate) => candidate.name === name);
  if (span === undefined)
    throw new Error(`no span ${name} among ${spans.map((each) => each.name).join(', ')}`);
  return span;
}

/** Each span as `name < name of its parent`, in the order in which they ended. */
export function tree(spans: readonly TestSpan[]): string[] {
  const nameOf = new Map(spans.map(({ id, name }) => [id, name]));
  return spans.map(({ name, parentId }) => `${name} < ${nameOf.get(parentId ?? '') ?? ''}`);
}

function millis(nanos: string): number {
  return Number(BigInt(nanos) / 1000n) / 1000;
}

function plain(value: OtlpValue): unknown {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plain);
  return value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue;
}
