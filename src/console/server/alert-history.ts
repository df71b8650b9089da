/** GET /api/alert-history: what fired and resolved within the last hours, and who was notified of it. */
import { z } from 'zod';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { Config } from '../../config.ts';
import { ChatError } from '../../errors.ts';
import { readAlerts, type ActiveAlert } from './alertmanager.ts';
import { watchdog, type AlertListDeps } from './alerts.ts';
import { AlertHistory, type Episode } from './answers.ts';
import { readNotifications, type NotifiedAlert, type StoredNotification } from './notifications.ts';
import { askPeer, findMissing, tryPeer } from './peers.ts';
import { hasLabels } from './rules.ts';
import type { SharedReads } from './shared-reads.ts';

const defaultHours = 24;
const maxHours = 168;
/** Prometheus answers at most 11,000 points a series. */
const pointsPerSeries = 2880;
const minStepSeconds = 15;

const Firings = z.object({
  data: z.object({
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
});

export interface Span {
  /** Epoch seconds. */
  from: number;
  to: number;
  stepSeconds: number;
}

export function createAlertHistory(
  { peers, notifierToken }: AlertListDeps,
  share: SharedReads,
): Endpoint {
  const read = async (hours: number): Promise<AlertHistory> => {
    const span = spanOf(hours, Date.now() / 1000);
    const { prometheus, alertmanager, notifier } = peers;
    const [firings, active, notifications] = await Promise.all([
      tryPeer('prometheus', prometheus !== undefined, readFirings(prometheus, span)),
      tryPeer('alertmanager', alertmanager !== undefined, readAlerts(alertmanager)),
      tryPeer('notifier', notifier !== undefined, readNotifications(notifier, notifierToken)),
    ]);
    return {
      hours,
      episodes: joinHistory(
        { firings: firings.value, active: active.value, notifications: notifications.value },
        span,
      ),
      missing: findMissing([firings, active, notifications]),
    };
  };
  return {
    method: 'GET',
    path: '/api/alert-history',
    summary: 'What fired and resolved within the last hours, and who was notified',
    access: 'console',
    parameters: {
      hours: {
        in: 'query',
        description: `How many; ${defaultHours} by default.`,
        schema: { type: 'integer', minimum: 1, maximum: maxHours },
        example: defaultHours,
      },
    },
    answers: answersJson('AlertHistory', AlertHistory, exampleHistory),
    errors: ['bad_request', 'unauthorized', 'forbidden'],
    async handle(c) {
      const hours = readHours(c.req.query('hours'));
      return c.json(await share(`history ${hours}`, () => read(hours)));
    },
  };
}

/** @throws ChatError `bad_request` */
function readHours(given: string | undefined): number {
  const hours = given === undefined ? defaultHours : Number(given);
  if (Number.isInteger(hours) && hours >= 1 && hours <= maxHours) return hours;
  throw new ChatError('bad_request', `hours: expected an integer from 1 to ${maxHours}.`, {
    zh: `hours：需要 1 到 ${maxHours} 之间的整数。`,
    param: 'hours',
  });
}

export function spanOf(hours: number, now: number): Span {
  const seconds = hours * 3600;
  const stepSeconds = Math.max(minStepSeconds, Math.ceil(seconds / pointsPerSeries));
  const to = Math.floor(now);
  return { from: to - seconds, to, stepSeconds };
}

/** @throws ChatError `peer_unreachable` */
async function readFirings(
  url: Config['peers']['prometheus'],
  { from, to, stepSeconds }: Span,
): Promise<z.infer<typeof Firings>['data']['result']> {
  const search = new URLSearchParams({
    // The times of the samples: a step repeats an older sample for five minutes when Prometheus was down.
    query: `timestamp(ALERTS{alertstate="firing",alertname!="${watchdog}"})`,
    start: String(from),
    end: String(to),
    step: String(stepSeconds),
    timeout: '3s',
  });
  const path = `/api/v1/query_range?${search.toString()}`;
  return (await askPeer({ peer: 'prometheus', url, path }, Firings)).data.result;
}

/** What each program knows; undefined if it does not answer. */
interface Sources {
  firings: z.infer<typeof Firings>['data']['result'] | undefined;
  /** Of Alertmanager. */
  active: readonly Pick<ActiveAlert, 'labels'>[] | undefined;
  notifications: readonly StoredNotification[] | undefined;
}

/**
 * One list of what fired: the firings of Prometheus with their notifications. A notification about an alert that Prometheus does
 * not know, such as a test message or an alert of the notifier itself, is an episode of its own.
 */
export function joinHistory(
  { firings = [], active, notifications = [] }: Sources,
  span: Span,
): Episode[] {
  const episodes = firings.flatMap(({ metric, values }) => {
    const { __name__: _, alertstate: __, alertname = '', ...labels } = metric;
    const times = values.map(([, sampledAt]) => Number(sampledAt));
    return toRuns(times, span).map(({ firedAt, resolvedAt }) =>
      createEpisode(alertname, labels, {
        firedAt: toTime(firedAt),
        resolvedAt: resolvedAt === null ? null : toTime(resolvedAt),
        isFiring: resolvedAt === null,
      }),
    );
  });
  for (const notification of notifications.toReversed()) {
    const seconds = Date.parse(notification.receivedAt) / 1000;
    if (seconds < span.from) continue;
    for (const alert of notification.alerts) {
      let episode = episodes.find((each) => isAbout(alert, each, span));
      if (episode === undefined) {
        const { alertname = '', ...labels } = alert.labels;
        episode = createEpisode(alertname, labels, {
          firedAt: alert.startsAt,
          resolvedAt: null,
          isFiring: active?.some((other) => hasLabels(other.labels, alert.labels)) ?? true,
        });
        episodes.push(episode);
      }
      tell(episode, alert, notification);
    }
  }
  return episodes.toSorted((a, b) => Date.parse(b.firedAt) - Date.parse(a.firedAt));
}

function createEpisode(
  name: string,
  { severity = '', ...labels }: Record<string, string>,
  times: Pick<Episode, 'firedAt' | 'resolvedAt' | 'isFiring'>,
): Episode {
  return { name, labels, severity, summary: { en: '', zh: '' }, ...times, deliveries: [] };
}

/** The periods without a gap. @param times of samples, ascending, in epoch seconds */
export function toRuns(
  times: readonly number[],
  { to, stepSeconds }: Span,
): { firedAt: number; resolvedAt: number | null }[] {
  const runs: { firedAt: number; last: number }[] = [];
  for (const at of times) {
    const run = runs.at(-1);
    // One missing point may be a late evaluation.
    if (run !== undefined && at - run.last <= 2 * stepSeconds) run.last = at;
    else runs.push({ firedAt: at, last: at });
  }
  return runs.map(({ firedAt, last }) => ({
    firedAt,
    resolvedAt: last + 2 * stepSeconds > to ? null : last,
  }));
}

function isAbout(alert: NotifiedAlert, episode: Episode, { from, stepSeconds }: Span): boolean {
  const own = { ...episode.labels, alertname: episode.name };
  if (!hasLabels(alert.labels, own)) return false;
  const startsAt = Date.parse(alert.startsAt);
  const firedAt = Date.parse(episode.firedAt);
  const margin = 2000 * stepSeconds;
  // It may have fired before the period.
  if (firedAt <= from * 1000 + margin) return startsAt <= firedAt + margin;
  return Math.abs(startsAt - firedAt) <= margin;
}

/** Adds the delivery, and what the notifier knows more exactly. */
function tell(episode: Episode, alert: NotifiedAlert, notification: StoredNotification): void {
  const { id, channel, state, attempts, lastReason, lastDetail } = notification;
  episode.summary = { en: alert.summary, zh: alert.summaryZh };
  episode.firedAt = alert.startsAt;
  const at = notification.finishedAt ?? notification.receivedAt;
  // Alertmanager writes an unknown end as year 1.
  if (alert.status === 'resolved') {
    episode.resolvedAt = Date.parse(alert.endsAt) > 0 ? alert.endsAt : notification.receivedAt;
    episode.isFiring = false;
  }
  const facts = { id, channel, state, at, attempts, lastReason, lastDetail };
  episode.deliveries.push({ ...facts, about: alert.status });
}

function toTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString();
}

const exampleHistory: AlertHistory = {
  hours: 24,
  episodes: [
    {
      name: 'QueueBacklog',
      labels: { job: 'qwen-instruct', instance: '127.0.0.1:8000' },
      severity: 'warning',
      summary: { en: 'The queue is filling up', zh: '队列积压' },
      firedAt: '2026-04-26T03:21:41.500Z',
      resolvedAt: '2026-04-26T03:29:41.500Z',
      isFiring: false,
      deliveries: [
        {
          id: 1,
          about: 'firing',
          channel: 'dingtalk',
          state: 'delivered',
          at: '2026-04-26T03:21:52.000Z',
          attempts: 1,
          lastReason: null,
          lastDetail: null,
        },
      ],
    },
  ],
  missing: [],
};
