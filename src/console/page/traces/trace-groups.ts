/** Groups equal refusals in the list of traces, adds up the use of each client, and finds a scale for the bars. */
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

export interface Usage {
  /** Empty if it is unknown. */
  client: string;
  requests: number;
  refused: number;
  inputTokens: number;
  outputTokens: number;
  /** Sum of the durations. */
  millis: number;
}

/** The client with the most tokens comes first. */
export function addUsage(traces: readonly TraceSummary[]): Usage[] {
  const byClient = new Map<string, Usage>();
  for (const { client = '', outcome, inputTokens, outputTokens, durationMillis } of traces) {
    const usage = byClient.get(client) ?? {
      client,
      requests: 0,
      refused: 0,
      inputTokens: 0,
      outputTokens: 0,
      millis: 0,
    };
    usage.requests += 1;
    usage.refused += outcome === 'rejected' ? 1 : 0;
    usage.inputTokens += inputTokens ?? 0;
    usage.outputTokens += outputTokens ?? 0;
    usage.millis += durationMillis;
    byClient.set(client, usage);
  }
  const tokens = (usage: Usage): number => usage.inputTokens + usage.outputTokens;
  return [...byClient.values()].toSorted(
    (one, other) => tokens(other) - tokens(one) || other.requests - one.requests,
  );
}
