/** Builds traces as OTLP JSON. Used by the unit tests of waterfalls. */
import type { OtlpTrace } from '../../../otel/traces/rows.ts';

export type OtlpSpan = OtlpTrace['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

export const traceStart = 1_795_510_148_088;

/** `from` and `to` are milliseconds since `traceStart`. */
export function createSpan(
  name: string,
  from: number,
  to: number,
  fields: Partial<OtlpSpan> = {},
): OtlpSpan {
  return {
    spanId: name,
    name,
    startTimeUnixNano: nanosAt(from),
    endTimeUnixNano: nanosAt(to),
    ...fields,
  };
}

export function nanosAt(millis: number): string {
  return String(BigInt(traceStart) * 1_000_000n + BigInt(Math.round(millis * 1e6)));
}

export function createTrace(spans: OtlpSpan[]): OtlpTrace {
  return { resourceSpans: [{ scopeSpans: [{ spans }] }] };
}
