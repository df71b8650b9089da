/** Steps of the wall clock: nothing waits longer than the length of its own wait. */
import { expect, test } from 'vitest';
import { createRateLimit } from '../../../alerting/notifier/outbox/rate-limit.ts';
import {
  addNotification,
  createOutbox,
  virtualStart,
} from '../../support/alerting/notifier-parts.ts';

const hours = 3_600_000;

// Fault: the clock steps 8 h back or forward while a retry waits. Result: the retry is due at once.
test.each([
  ['while it waits', 300_000 - 1, []],
  ['after it', 300_000, [1]],
  ['when the clock went back 8 h', -8 * hours, [1]],
  ['when the clock went forward 8 h', 8 * hours, [1]],
])('a retry in 5 minutes, %s', (_, passed, due) => {
  const outbox = createOutbox();
  addNotification(outbox, 'waits');
  const retry = { kind: 'retry', reason: 'network', afterSeconds: 300, detail: '' } as const;
  outbox.settle([1], retry, virtualStart, virtualStart + 300_000);
  expect(outbox.due('robot', virtualStart + passed).map(({ id }) => id)).toEqual(due);
});

test('a notification of before the clock was set back is due at once', () => {
  const outbox = createOutbox();
  addNotification(outbox, 'new');
  expect(outbox.due('robot', virtualStart - 8 * hours)).toHaveLength(1);
});

const rates = [{ count: 2, perSeconds: 60 }];

// Fault: the clock steps while a rate is used up or a robot is blocked.
test('a rate limit and a block run on the monotonic clock', () => {
  const outbox = createOutbox();
  let [wall, elapsed] = [virtualStart, 0];
  const clock = { now: () => wall, elapsed: () => elapsed };
  const limit = createRateLimit({ name: 'robot', rates }, outbox.calls, clock);
  for (let call = 0; call < 2; call += 1) {
    limit.callStarted();
    limit.callEnded();
  }
  wall -= 8 * hours;
  expect(limit.waitMillis()).toBe(60_000);
  elapsed += 60_000;
  expect([limit.waitMillis(), limit.callsLeft()]).toEqual([0, 2]);
  limit.block(600_000);
  wall += 16 * hours;
  expect(limit.waitMillis()).toBe(600_000);
});

// Fault: the clock was set back before a start.
test('after a restart with the clock set back, stored calls do not count and a block lasts its length at most', () => {
  const outbox = createOutbox();
  const clock = { now: () => virtualStart, elapsed: () => 0 };
  const first = createRateLimit({ name: 'robot', rates }, outbox.calls, clock);
  first.callStarted();
  first.callStarted();
  const back = { now: () => virtualStart - 8 * hours, elapsed: () => 0 };
  const second = createRateLimit({ name: 'robot', rates }, outbox.calls, back);
  expect([second.waitMillis(), second.callsLeft()]).toEqual([0, 2]);
  first.block(600_000);
  const third = createRateLimit({ name: 'robot', rates }, outbox.calls, back);
  expect(third.waitMillis()).toBe(600_000);
});
