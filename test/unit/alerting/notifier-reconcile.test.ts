import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { AlertRecord } from '../../../alerting/notifier/outbox/alert-history.ts';
import { fingerprintOf } from '../../../alerting/notifier/watch/fingerprint.ts';
import {
  createUntold,
  findMissed,
  findNotResolved,
} from '../../../alerting/notifier/watch/reconcile.ts';
import { readFired, readHeld } from '../../../alerting/notifier/watch/sources.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';

const labels = { alertname: 'HighErrorRate', job: 'qwen-instruct', severity: 'critical' };
/** The tests cover ten minutes; events before minute 5 are settled. */
const minute = (count: number): number => Date.UTC(2026, 3, 26) + count * 60_000;
const [settledAt, at] = [minute(5), minute(10)];
const series = (from: number, to: number) => ({
  labels,
  firstAt: minute(from),
  lastAt: minute(to),
});
const firingNow = {
  labels,
  state: 'firing',
  annotations: { summary: 's' },
  activeAt: new Date(minute(2)).toISOString(),
};

function recorded(from: number, to: number | null, more: Partial<AlertRecord> = {}): AlertRecord {
  return {
    // Alertmanager adds the external labels of Prometheus.
    alert: createAlert({ labels: { ...labels, cluster: 'a' } }),
    startsAt: minute(from),
    endsAt: to === null ? null : minute(to),
    status: to === null ? 'firing' : 'resolved',
    route: 'default',
    groupKey: 'group',
    recordedAt: minute(to ?? from),
    ...more,
  };
}

const held = {
  labels: { ...labels, cluster: 'a' },
  annotations: {},
  generatorURL: '',
  startsAt: '',
  fingerprint: '',
  isNotForUs: false,
};

test.each([
  ['fired and ended without a notification', [], [], [series(1, 2)], ['resolved']],
  ['is firing without a notification', [], [firingNow], [series(2, 9)], ['firing']],
  ['started firing a moment ago', [], [firingNow], [series(8, 9)], []],
  ['was sent', [recorded(1, null)], [firingNow], [series(1, 9)], []],
  ['was sent as firing and resolved', [recorded(1, 2)], [], [series(1, 2)], []],
  [
    'was sent, then fired again without a notification',
    [recorded(0, 1)],
    [],
    [series(3, 4)],
    ['resolved'],
  ],
  ['was silenced', [recorded(1, 9, { status: 'not_for_us' })], [firingNow], [series(1, 9)], []],
])('an alert that %s', (_, known, firing, fired, expected) => {
  const found = findMissed({ fired, firing, known, at, settledAt });
  expect(found.map(({ status }) => status)).toEqual(expected);
});

test('a missed alert has its times and the annotations of Prometheus', () => {
  const [ended] = findMissed({ fired: [series(1, 2)], firing: [], known: [], at, settledAt });
  expect(ended).toMatchObject({
    startsAt: '2026-04-26T00:01:00.000Z',
    endsAt: '2026-04-26T00:02:00.000Z',
  });
  const [firing] = findMissed({
    fired: [series(2, 9)],
    firing: [firingNow],
    known: [],
    at,
    settledAt,
  });
  expect(firing).toMatchObject({
    startsAt: firingNow.activeAt,
    endsAt: '',
    annotations: { summary: 's' },
  });
});

test('a missed alert has the labels and the fingerprint that Alertmanager gives it', () => {
  const facts = { fired: [series(1, 2)], firing: [], known: [], at, settledAt };
  const [missed] = findMissed({ ...facts, externalLabels: { cluster: 'a', job: 'other' } });
  expect(missed?.labels).toEqual({ ...labels, cluster: 'a' });
  expect(missed?.fingerprint).toBe(fingerprintOf({ ...labels, cluster: 'a' }));
});

test('the fingerprint is that of Alertmanager', () => {
  // From Alertmanager 0.25, `GET /api/v2/alerts`.
  expect(fingerprintOf({ alertname: 'Pair', name: 'pair' })).toBe('20fe6715757e1aed');
  const labels = { alertname: '钉', b: 'x y', a_b: '1', a: '2' };
  expect(fingerprintOf(labels)).toBe('8b8759cc35df0653');
});

test('an alert with more labels is another alert if the external labels are known', () => {
  const more = { labels: { ...labels, instance: 'b' }, firstAt: minute(1), lastAt: minute(2) };
  const known = [recorded(1, null, { alert: createAlert({ labels: more.labels }) })];
  const facts = { fired: [series(1, 2)], firing: [], known, at, settledAt };
  expect(findMissed(facts)).toEqual([]);
  expect(findMissed({ ...facts, externalLabels: {} })).toHaveLength(1);
});

// Fault: Alertmanager does not send an alert of another sender than Prometheus. Alone: nothing.
test('an alert of another sender that Alertmanager keeps without a webhook is found after the grace period', () => {
  const untold = createUntold();
  const alert = { ...held, fingerprint: 'other', labels: { alertname: 'Foreign' } };
  const find = (at: number, known: AlertRecord[] = []) =>
    untold
      .find({ held: [alert], known, at, settledAt: at - 300_000 })
      .map(({ labels: { alertname } }) => alertname);
  expect(find(minute(0))).toEqual([]);
  expect(find(minute(4))).toEqual([]);
  expect(find(minute(5))).toEqual(['Foreign']);
  const told = recorded(5, null, { alert: createAlert({ fingerprint: 'other' }) });
  expect(find(minute(6), [told])).toEqual([]);
  expect(find(minute(7))).toEqual([]);
});

test('the Watchdog is not reconciled', () => {
  const fired = [{ ...series(1, 2), labels: { alertname: 'Watchdog' } }];
  expect(findMissed({ fired, firing: [], known: [], at, settledAt })).toEqual([]);
});

test.each([
  ['ended before the grace period', [recorded(1, null)], [series(1, 3)], [], [], [minute(3)]],
  ['ended a moment ago', [recorded(1, null)], [series(1, 7)], [], [], []],
  ['is still firing', [recorded(1, null)], [series(1, 9)], [firingNow], [], []],
  ['Alertmanager still has', [recorded(1, null)], [series(1, 3)], [], [held], []],
  ['was sent a moment ago', [recorded(1, null, { recordedAt: minute(8) })], [], [], [], []],
  ['was sent as resolved', [recorded(1, 3)], [series(1, 3)], [], [], []],
  ['ended at an unknown time', [recorded(1, null)], [], [], [], [undefined]],
])('the end of an alert that %s', (_, known, fired, firing, alertmanager, expected) => {
  const found = findNotResolved({ fired, firing, known, held: alertmanager, at, settledAt });
  expect(found.map(({ alert }) => alert.status)).toEqual(expected.map(() => 'resolved'));
  expect(found.map(({ alert }) => Date.parse(alert.endsAt) || undefined)).toEqual(expected);
});

/** A server that answers each path with this JSON. */
async function serve(answers: (path: string) => unknown): Promise<URL> {
  const server = createServer(({ url = '' }, response) =>
    response.end(JSON.stringify(answers(url))),
  );
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

// Fault: Alertmanager sends an alert to a webhook of another program only. Result: not reconciled, if Alertmanager shows the URL (before 0.26).
test.each([
  ['http://notifier:8060/alerts/default', false],
  ['https://example.com/behind/a/proxy/alerts/office', false],
  ['https://example.com/other-program', true],
  ['<secret>', false],
  // The URL is in a file.
  [null, false],
])('an alert whose receiver has the webhook %s is not for us: %s', async (url, expected) => {
  const alert = { ...held, status: { state: 'active' }, receivers: [{ name: 'one' }] };
  const original = JSON.stringify({ receivers: [{ name: 'one', webhook_configs: [{ url }] }] });
  const alertmanager = await serve((path) =>
    path === '/api/v2/alerts' ? [alert] : { config: { original } },
  );
  expect((await readHeld(alertmanager)).map(({ isNotForUs }) => isNotForUs)).toEqual([expected]);
});

test('samples before the compared time do not count, although Prometheus is asked for whole seconds', async () => {
  const since = 1_000_500;
  const metric = { __name__: 'ALERTS', alertstate: 'firing', alertname: 'Short' };
  const values = (...times: number[]) => times.map((time) => [time / 1000, '1']);
  const result = [
    { metric, values: values(since - 300) },
    { metric: { ...metric, alertname: 'Long' }, values: values(since - 300, since, since + 200) },
  ];
  const prometheus = await serve(() => ({ data: { result } }));
  expect(await readFired(prometheus, since, since + 4200)).toEqual([
    { labels: { alertname: 'Long' }, firstAt: since, lastAt: since + 200 },
  ]);
});
