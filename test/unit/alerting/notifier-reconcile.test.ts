import { expect, test } from 'vitest';
import type { HeardAlert } from '../../../alerting/notifier/outbox/heard.ts';
import { findNeverTold, findNotEnded } from '../../../alerting/notifier/watch/reconcile.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';

const labels = { alertname: 'HighErrorRate', job: 'qwen-instruct', severity: 'critical' };
/** Ten minutes of a day; what happened before minute 5 is settled. */
const minute = (count: number): number => Date.UTC(2026, 3, 26) + count * 60_000;
const settledAt = minute(5);
const series = (from: number, to: number) => ({
  labels,
  firstAt: minute(from),
  lastAt: minute(to),
});
const now = { labels, annotations: { summary: 's' }, activeAt: new Date(minute(2)).toISOString() };

function heard(from: number, to: number | null, more: Partial<HeardAlert> = {}): HeardAlert {
  return {
    // Alertmanager's alert has the external labels of Prometheus, too.
    alert: createAlert({ labels: { ...labels, cluster: 'a' } }),
    startsAt: minute(from),
    endsAt: to === null ? null : minute(to),
    status: to === null ? 'firing' : 'resolved',
    route: 'default',
    groupKey: 'group',
    heardAt: minute(to ?? from),
    ...more,
  };
}

test.each([
  ['fired and ended unseen', [], [], [series(1, 2)], ['resolved']],
  ['fires unseen', [], [now], [series(2, 9)], ['firing']],
  ['fired a moment ago', [], [now], [series(8, 9)], []],
  ['was told', [heard(1, null)], [now], [series(1, 9)], []],
  ['was told with its end', [heard(1, 2)], [], [series(1, 2)], []],
  ['was told earlier, and fired again unseen', [heard(0, 1)], [], [series(3, 4)], ['resolved']],
  ['was silenced', [heard(1, 9, { status: 'not_for_us' })], [now], [series(1, 9)], []],
])('an alert that %s', (_, known, firing, fired, expected) => {
  const found = findNeverTold({ fired, firing, known, settledAt });
  expect(found.map(({ status }) => status)).toEqual(expected);
});

test('what is found has its times, and the words that Prometheus has for it', () => {
  const [ended] = findNeverTold({ fired: [series(1, 2)], firing: [], known: [], settledAt });
  expect(ended).toMatchObject({
    startsAt: '2026-04-26T00:01:00.000Z',
    endsAt: '2026-04-26T00:02:00.000Z',
  });
  const [firing] = findNeverTold({ fired: [series(2, 9)], firing: [now], known: [], settledAt });
  expect(firing).toMatchObject({
    startsAt: now.activeAt,
    endsAt: '',
    annotations: { summary: 's' },
  });
});

test('the watchdog is never missed here', () => {
  const fired = [{ ...series(1, 2), labels: { alertname: 'Watchdog' } }];
  expect(findNeverTold({ fired, firing: [], known: [], settledAt })).toEqual([]);
});

const held = {
  labels: { ...labels, cluster: 'a' },
  startsAt: '',
  fingerprint: '',
  isNotForUs: false,
};

test.each([
  ['ended long ago', [heard(1, null)], [series(1, 3)], [], [], [minute(3)]],
  ['ended a moment ago', [heard(1, null)], [series(1, 7)], [], [], []],
  ['still fires', [heard(1, null)], [series(1, 9)], [now], [], []],
  ['is still with Alertmanager', [heard(1, null)], [series(1, 3)], [], [held], []],
  ['was told a moment ago', [heard(1, null, { heardAt: minute(8) })], [], [], [], []],
  ['was told as over', [heard(1, 3)], [series(1, 3)], [], [], []],
  ['ended, who knows when', [heard(1, null)], [], [], [], [undefined]],
])('the end of an alert that %s', (_, known, fired, firing, alertmanager, expected) => {
  const found = findNotEnded({ fired, firing, known, held: alertmanager, settledAt });
  expect(found.map(({ alert }) => alert.status)).toEqual(expected.map(() => 'resolved'));
  expect(found.map(({ alert }) => Date.parse(alert.endsAt) || undefined)).toEqual(expected);
});
