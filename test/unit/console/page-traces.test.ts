/** The console's list of traces: its groups and the scale of its bars. */
import { describe, expect, test } from 'vitest';
import type { TraceSummary } from '../../../otel/traces/rows.ts';
import {
  addUsage,
  chooseScale,
  groupRefusals,
} from '../../../src/console/page/traces/trace-groups.ts';

let id = 0;

function trace(members: Partial<TraceSummary>): TraceSummary {
  const traceId = String((id += 1));
  return {
    traceId,
    name: 'POST /chat',
    startedAt: id,
    durationMillis: 1,
    failed: false,
    spans: 1,
    ...members,
  };
}

const lasting = (...durations: number[]): TraceSummary[] =>
  durations.map((durationMillis) => trace({ durationMillis }));

describe('the scale of the bars', () => {
  test.each([
    { durations: [], scale: 1 },
    { durations: [400], scale: 400 },
    { durations: [100, 250, 300], scale: 300 },
    // One long trace among nine of a second would make stumps of them.
    { durations: [...Array.from({ length: 9 }, () => 1000), 300_000], scale: 1000 },
    { durations: [500, 60_000], scale: 500 },
  ])('of $durations ms is $scale ms', ({ durations, scale }) => {
    expect(chooseScale(lasting(...durations))).toBe(scale);
  });
});

describe('refusals', () => {
  const full = { outcome: 'rejected', reason: 'queue_full' } as const;
  const invalid = (param: string): Partial<TraceSummary> => ({
    outcome: 'rejected',
    reason: 'bad_request',
    error: { message: `${param}: expected a number`, param },
  });

  test('that are equal form a group at the place of the newest', () => {
    const traces = [full, {}, full, invalid('top_p'), invalid('seed'), full, invalid('seed')].map(
      trace,
    );
    const groups = groupRefusals(traces).map((group) =>
      group.traces.map((each) => traces.indexOf(each)),
    );
    expect(groups).toEqual([[0, 2, 5], [1], [3], [4, 6]]);
  });

  test('of different clients and routes stay apart, and answers are never grouped', () => {
    const traces = [
      { ...full, client: 'a' },
      { ...full, client: 'b' },
      { ...full, client: 'b', route: '/chat' },
      { outcome: 'completed' } as const,
      { outcome: 'completed' } as const,
    ].map(trace);
    expect(groupRefusals(traces)).toHaveLength(traces.length);
  });
});

test('the client with the most tokens comes first, with the sums of its requests', () => {
  const traces = [
    { client: 'a', inputTokens: 10, outputTokens: 5 },
    { client: 'b', outcome: 'rejected' } as const,
    { client: 'c', inputTokens: 100, outputTokens: 1, durationMillis: 20 },
    { client: 'a', inputTokens: 20, outputTokens: 6 },
    { client: 'c', outcome: 'rejected', durationMillis: 2 } as const,
  ].map(trace);
  const [first, ...others] = addUsage(traces);
  expect(first).toEqual({
    client: 'c',
    requests: 2,
    refused: 1,
    inputTokens: 100,
    outputTokens: 1,
    millis: 22,
  });
  expect(others.map(({ client }) => client)).toEqual(['a', 'b']);
});
