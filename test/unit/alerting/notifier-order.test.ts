/** What a channel was told last decides what is news: the model, and random interleavings. `make chaos` runs 100,000 of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isNews } from '../../../alerting/notifier/outbox/told.ts';
import type { Told } from '../../../alerting/notifier/outbox/told.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { createOutbox, virtualStart } from '../../support/alerting/notifier-parts.ts';
import { createWorld, stepKinds } from '../../support/alerting/order-world.ts';

const minute = 60_000;
const firing = createAlert();
const resolved = createAlert({ status: 'resolved' });
const [startsAt, endsAt] = [firing.startsAt, resolved.endsAt].map(Date.parse) as [number, number];
const later = (alert: typeof firing) =>
  createAlert({ ...alert, startsAt: new Date(endsAt + 1).toISOString() });

test.each<[string, Partial<Told> | undefined, typeof firing, boolean]>([
  ['a first firing', undefined, firing, true],
  ['an end without its firing', undefined, resolved, true],
  ['the end', { status: 'firing', endsAt: null }, resolved, true],
  ['a firing after its end, with the same start', { status: 'resolved' }, firing, true],
  ['a firing of a pair seconds later', { status: 'firing', at: -59_000 }, firing, false],
  ['a reminder', { status: 'firing', at: -minute }, firing, true],
  ['a reminder while the firing waits', { status: 'firing', isPending: 1 }, firing, false],
  ['a reminder after the clock went back', { status: 'firing', at: 8 * 60 * minute }, firing, true],
  ['the same end again, hours later', { status: 'resolved' }, resolved, false],
  ['the end of a later firing', { status: 'resolved' }, later(resolved), true],
])('%s', (_, last, alert, expected) => {
  const told: Told = {
    status: 'firing',
    startsAt,
    endsAt,
    notificationId: 1,
    isPending: 0,
    ...last,
    at: virtualStart + (last?.at ?? -5 * 60 * minute),
  };
  expect(isNews(alert, last && told, virtualStart)).toBe(expected);
});

const robot = [{ channel: 'robot', alerts: null }];

function accept(outbox: ReturnType<typeof createOutbox>, alerts: (typeof firing)[], at: number) {
  const payload = createWebhook(alerts);
  const stored = outbox.accept({ route: 'default', payload, recipients: robot }, at);
  return stored.flatMap(({ payload }) => payload.alerts.map(({ status }) => status));
}

function settle(outbox: ReturnType<typeof createOutbox>, at: number): void {
  const ids = outbox.due('robot', at).map(({ id }) => id);
  outbox.settle(ids, { kind: 'delivered' }, at, 0);
}

// Fault: a sender is late: firing, resolved, and firing again with the same start. Alone: 3 deliveries.
test('firing, resolved and firing with the same start are three messages, and the alert counts as firing', () => {
  const outbox = createOutbox();
  for (const [index, alert] of [firing, resolved, firing].entries()) {
    expect(accept(outbox, [alert], virtualStart + index * 1000)).toEqual([alert.status]);
    settle(outbox, virtualStart + index * 1000);
  }
  expect(outbox.alerts.since(0)).toMatchObject([{ status: 'firing', endsAt: null }]);
});

// Fault: `repeat_interval` of a group is 15 m. Alone: a reminder every 15 m.
test('reminders every 15 minutes are told', () => {
  const outbox = createOutbox();
  for (let time = virtualStart; time < virtualStart + 60 * minute; time += 15 * minute) {
    expect(accept(outbox, [firing], time)).toEqual(['firing']);
    settle(outbox, time + 1000);
  }
});

test('the age at delivery counts from the start or the end of the alert, and reminders do not count', () => {
  const outbox = createOutbox();
  const events = [firing, firing, resolved].map((alert, index) => {
    accept(outbox, [alert], virtualStart + index * 5 * minute);
    settle(outbox, virtualStart + index * 5 * minute);
    return outbox.list(1)[0]?.eventAt;
  });
  expect(events).toEqual(
    [virtualStart, null, virtualStart + 10 * minute].map((at, index) => {
      return at && Math.min(at, [startsAt, 0, endsAt][index] ?? 0);
    }),
  );
});

test('a group that grows within a minute has only its new alert', () => {
  const outbox = createOutbox();
  const other = createAlert({ fingerprint: 'other', status: 'resolved' });
  accept(outbox, [firing], virtualStart);
  settle(outbox, virtualStart);
  expect(accept(outbox, [firing, other], virtualStart + 10_000)).toEqual(['resolved']);
});

// Fault: an alert fires again after its notification was refused. Alone: 2 attempts.
test('after a dead firing the next one is news, within the minute too', () => {
  const outbox = createOutbox();
  accept(outbox, [firing], virtualStart);
  outbox.settle([1], { kind: 'dead', reason: 'refused', detail: '' }, virtualStart, 0);
  expect(accept(outbox, [firing], virtualStart + 1000)).toEqual(['firing']);
});

// Fault: the same alert is in two groups (`continue: true`). Alone: 2 deliveries, in any order.
test('an end in another group waits for its firing', () => {
  const outbox = createOutbox();
  accept(outbox, [firing], virtualStart);
  const retry = { kind: 'retry', reason: 'network', afterSeconds: 0, detail: '' } as const;
  outbox.settle([1], retry, virtualStart, virtualStart + 5000);
  const payload = createWebhook([resolved], 'another group');
  outbox.accept({ route: 'default', payload, recipients: robot }, virtualStart);
  expect(outbox.due('robot', virtualStart)).toEqual([]);
  expect(outbox.due('robot', virtualStart + 5000).map(({ id }) => id)).toEqual([1]);
  settle(outbox, virtualStart + 5000);
  expect(outbox.due('robot', virtualStart + 5000).map(({ id }) => id)).toEqual([2]);
});

// Fault: two Alertmanagers, restarts, delays, failures and steps of the clock in random order (200; `make chaos`: 100,000).
test('whatever the order of events, the last message is the state of the alert, and nothing is told twice within a minute', () => {
  const step = fc.tuple(fc.nat(stepKinds - 1), fc.nat(7));
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80, size: 'max' }), (sequence) => {
      const world = createWorld();
      for (const one of sequence) world.step(one);
      world.becomeQuiet();
      for (const { fingerprint, isFiring } of world.truth) {
        const words = world.words.filter((word) => word.fingerprint === fingerprint);
        const last = words.at(-1)?.status ?? 'resolved';
        expect(last).toBe(isFiring ? 'firing' : 'resolved');
        const twice = words.filter((word, index) => {
          const before = words[index - 1];
          const isSame = before?.status === word.status && before.epoch === word.epoch;
          const isOtherEnd = word.status === 'resolved' && word.startsAt !== before?.startsAt;
          return isSame && !word.isRepeat && !isOtherEnd && word.at - before.at < minute;
        });
        expect(twice).toEqual([]);
      }
    }),
    { numRuns: Number(process.env['ORDER_RUNS'] ?? 200) },
  );
});
