/** How often the console's page asks for a path. */
import { expect, test } from 'vitest';
import { secondsUntilNext } from '../../../src/console/page/polling-delay.ts';

test('a path is asked for as often as the view that needs it most often', () => {
  const after = (wantedSeconds: number[]): number =>
    secondsUntilNext({ failures: 0, wantedSeconds, retryAfterSeconds: undefined });
  expect([after([15, 5]), after([0, 60]), after([0])]).toEqual([5, 60, 0]);
});

test.each([
  { wantedSeconds: [3], delays: [3, 6, 12, 20, 20] },
  { wantedSeconds: [120], delays: [5, 10, 20, 20, 20] },
  { wantedSeconds: [0], delays: [5, 10, 20, 20, 20] },
])('failures of a path for every $wantedSeconds s are repeated less and less often', (row) => {
  const delays = [1, 2, 3, 4, 5].map((failures) =>
    secondsUntilNext({ ...row, failures, retryAfterSeconds: undefined }),
  );
  expect(delays).toEqual(row.delays);
});

test('the wait that the service asks for is kept', () => {
  const situation = { failures: 1, wantedSeconds: [3], retryAfterSeconds: 45 };
  expect(secondsUntilNext(situation)).toBe(45);
});
