/** Groups equal refusals in the list of traces, and finds a scale for the bars of all. */
import type { TraceSummary } from '../../../../otel/traces/rows.ts';

export interface TraceGroup {
  /** What its traces have in common; stable while traces are added. */
  key: string;
  /** At least one, in the order of the list. */
  traces: [TraceSummary, ...TraceSummary[]];
}

/** Refusals with the same route, client, reason and message become one group at the place of the first. */
export function groupRefusals(traces: readonly TraceSummary[]): TraceGroup[] {
  const groups = new Map<string, TraceGroup>();
  for (const trace of traces) {
    const key = trace.outcome === 'rejected' ? keyOf(trace) : trace.traceId;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { key, traces: [trace] });
    else group.traces.push(trace);
  }
  return [...groups.values()];
}

function keyOf({ reason, route, client, statusCode, error }: TraceSummary): string {
  return [reason, statusCode, route, client, error?.param, error?.message].join(' ');
}

/** This many times the 90th percentile is still on the scale. */
const scaleFactor = 3;

/**
 * The duration of a bar of full width, in milliseconds: that of the longest trace, or, where it would make stumps of the others,
 * the 90th percentile. Longer bars are drawn as cut off.
 */
export function chooseScale(traces: readonly TraceSummary[]): number {
  const durations = traces
    .map(({ durationMillis }) => durationMillis)
    .toSorted((one, other) => one - other);
  const longest = durations.at(-1) ?? 1;
  const usual = durations[Math.floor(0.9 * (durations.length - 1))] ?? longest;
  return Math.max(longest > scaleFactor * usual ? usual : longest, 1);
}
