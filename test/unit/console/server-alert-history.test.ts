/** The history of alerts, joined from Prometheus and the notifier. */
import { describe, expect, test } from 'vitest';
import { joinHistory, spanOf, toRuns } from '../../../src/console/server/alert-history.ts';
import type { StoredNotification } from '../../../src/console/server/notifications.ts';

const now = Date.parse('2026-04-26T08:00:00Z') / 1000;
const span = spanOf(24, now);
const at = (time: string): string => new Date(`2026-04-26T${time}Z`).toISOString();
const seconds = (time: string): number => Date.parse(at(time)) / 1000;

type Sources = Parameters<typeof joinHistory>[0];

function join(
  firings: NonNullable<Sources['firings']>,
  notifications: StoredNotification[],
  active?: Sources['active'],
) {
  return joinHistory({ firings, notifications, active }, span);
}

/** A series of ALERTS that fires from one time to another. */
function firing(name: string, from: string, to: string, more: Record<string, string> = {}) {
  const values: [number, string][] = [];
  for (let time = seconds(from); time <= seconds(to); time += span.stepSeconds) {
    values.push([time, String(time)]);
  }
  const labels = { job: 'qwen-instruct', severity: 'critical', ...more };
  return {
    metric: { __name__: 'ALERTS', alertstate: 'firing', alertname: name, ...labels },
    values,
  };
}

function notification(
  name: string,
  status: 'firing' | 'resolved',
  startsAt: string,
  more: Partial<StoredNotification> & { labels?: Record<string, string>; endsAt?: string } = {},
): StoredNotification {
  const { labels = {}, endsAt = '', ...facts } = more;
  return {
    id: 1,
    channel: 'dingtalk',
    state: 'delivered',
    attempts: 1,
    lastReason: null,
    lastDetail: null,
    receivedAt: at('03:00:40'),
    finishedAt: at('03:00:41'),
    alerts: [
      {
        status,
        labels: { alertname: name, job: 'qwen-instruct', severity: 'critical', ...labels },
        summary: 'Requests are failing',
        summaryZh: '请求失败率过高',
        startsAt,
        endsAt,
      },
    ],
    ...facts,
  };
}

test('an alert of the night has its start, its end and its deliveries in one entry', () => {
  const episodes = join(
    [firing('HighErrorRate', '03:00:30', '03:20:00')],
    [
      notification('HighErrorRate', 'resolved', at('03:00:26'), { id: 3, endsAt: at('03:20:11') }),
      notification('HighErrorRate', 'firing', at('03:00:26'), {
        id: 2,
        channel: 'email',
        state: 'dead',
        lastReason: 'refused',
      }),
      notification('HighErrorRate', 'firing', at('03:00:26')),
    ],
  );
  expect(episodes).toHaveLength(1);
  expect(episodes[0]).toMatchObject({
    name: 'HighErrorRate',
    severity: 'critical',
    labels: { job: 'qwen-instruct' },
    summary: { en: 'Requests are failing', zh: '请求失败率过高' },
    firedAt: at('03:00:26'),
    resolvedAt: at('03:20:11'),
  });
  expect(
    episodes[0]!.deliveries.map(({ about, channel, state, lastReason }) => [
      about,
      channel,
      state,
      lastReason,
    ]),
  ).toEqual([
    ['firing', 'dingtalk', 'delivered', null],
    ['firing', 'email', 'dead', 'refused'],
    ['resolved', 'dingtalk', 'delivered', null],
  ]);
});

test('two firings of one alert are two entries, the newest first, each with its own deliveries', () => {
  const both = firing('HighErrorRate', '02:00:00', '02:10:00');
  both.values.push(...firing('HighErrorRate', '03:00:30', '03:20:00').values);
  const told = notification('HighErrorRate', 'firing', at('03:00:26'));
  const episodes = join([both], [told]);
  expect(episodes.map(({ firedAt, deliveries }) => [firedAt, deliveries.length])).toEqual([
    [at('03:00:26'), 1],
    [at('02:00:00'), 0],
  ]);
});

describe('an alert', () => {
  test('that nobody was told of has no delivery, also beside the same alert of another instance', () => {
    const [a, b] = [{ instance: 'a:8000' }, { instance: 'b:8000' }];
    const firings = [a, b].map((more) => firing('QueueBacklog', '03:00:30', '03:20:00', more));
    const told = notification('QueueBacklog', 'firing', at('03:00:26'), { labels: b });
    const episodes = join(firings, [told]);
    const counts = episodes.map(({ labels, deliveries }) => [
      labels['instance'],
      deliveries.length,
    ]);
    expect(Object.fromEntries(counts)).toEqual({ 'a:8000': 0, 'b:8000': 1 });
  });

  test('that fires has no end, and one that fired before the period is joined too', () => {
    const long = firing('QueueBacklog', '00:00:00', '08:00:00');
    const yesterday = span.from - 3600;
    for (let time = seconds('00:00:00'); time >= span.from; time -= span.stepSeconds) {
      long.values.unshift([time, String(time)]);
    }
    const startsAt = new Date(yesterday * 1000).toISOString();
    const [episode, ...others] = join([long], [notification('QueueBacklog', 'firing', startsAt)]);
    expect(others).toEqual([]);
    expect(episode).toMatchObject({ firedAt: startsAt, resolvedAt: null });
    expect(episode!.deliveries).toHaveLength(1);
  });

  test('that Prometheus does not know is listed from its notifications', () => {
    const own = { labels: { alertname: 'WatchdogMissing', job: 'notifier' } };
    const episodes = join(
      [],
      [
        notification('', 'resolved', at('03:00:26'), { ...own, endsAt: '0001-01-01T00:00:00Z' }),
        notification('', 'firing', at('03:00:26'), own),
      ],
    );
    expect(episodes).toHaveLength(1);
    expect(episodes[0]).toMatchObject({
      name: 'WatchdogMissing',
      resolvedAt: at('03:00:40'),
      deliveries: [{ about: 'firing' }, { about: 'resolved' }],
    });
  });

  test('of before the period is left out', () => {
    const old = { receivedAt: '2026-04-24T03:00:00Z' };
    expect(join([], [notification('Old', 'firing', '2026-04-24T03:00:00Z', old)])).toEqual([]);
  });
});

test('an alert does not fire on while Prometheus was down, although a query repeats its last sample', () => {
  const series = firing('EngineNotReady', '07:50:00', '07:52:00');
  const last = series.values.at(-1)!;
  for (let time = last[0]; time <= span.to; time += span.stepSeconds) {
    series.values.push([time, last[1]]);
  }
  const [episode, ...others] = join([series], []);
  expect(others).toEqual([]);
  expect(episode).toMatchObject({ firedAt: at('07:50:00'), resolvedAt: at('07:52:00') });
});

test('an alert whose end was never sent does not fire on: Alertmanager does not list it', () => {
  const told = notification('HighErrorRate', 'firing', at('03:00:26'));
  const labels = { ...told.alerts[0]!.labels };
  const firingIn = (active: Sources['active']) =>
    join([], [told], active).map(({ isFiring, resolvedAt }) => [isFiring, resolvedAt]);
  expect(firingIn([{ labels }])).toEqual([[true, null]]);
  expect(firingIn([{ labels: { ...labels, job: 'other' } }])).toEqual([[false, null]]);
  expect(firingIn(undefined)).toEqual([[true, null]]);
});

test('one missing evaluation is no end', () => {
  const { to, stepSeconds: step } = span;
  const times = [0, 1, 3, 4, 9, 10].map((index) => to - 7200 + index * step);
  expect(toRuns(times, span)).toEqual([
    { firedAt: to - 7200, resolvedAt: to - 7200 + 4 * step },
    { firedAt: to - 7200 + 9 * step, resolvedAt: to - 7200 + 10 * step },
  ]);
});
