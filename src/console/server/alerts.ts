/** GET /api/alerts: what fires, from Alertmanager, and what was told to whom, from the notifier; either may be missing. */
import { z } from 'zod';
import type { Peers } from '../../config.ts';
import { toChatError } from '../../errors.ts';
import type { Endpoint } from '../../api/endpoint.ts';
import { readAlerts, readSilences, type FiringAlert, type KeptSilence } from './alertmanager.ts';
import { Notification, readDeliveries } from './notifications.ts';
import type { Runbooks } from './runbooks.ts';
import type { SharedReads } from './shared-reads.ts';
import { Text, toText } from './text.ts';

/** What POST /api/silences changes. */
export const alertsKey = 'alerts';

/** It fires always, and says that alerts get through; nobody has to do anything about it. */
const watchdog = 'Watchdog';

const Alert = z.object({
  fingerprint: z.string(),
  name: z.string(),
  severity: z.string(),
  state: z.enum(['firing', 'silenced', 'inhibited']),
  /** ISO 8601. */
  startsAt: z.string(),
  summary: Text,
  description: Text,
  labels: z.record(z.string(), z.string()),
  /** A name for GET /api/runbooks/{name}. */
  runbook: z.string().optional(),
  dashboardUrl: z.string().optional(),
  silenceIds: z.array(z.string()),
  /** Who silenced it, why, and until when, ISO 8601. */
  silences: z.array(z.object({ createdBy: z.string(), reason: z.string(), endsAt: z.string() })),
});

type Alert = z.infer<typeof Alert>;

const AlertList = z.object({
  source: z.enum(['alertmanager', 'none']),
  /** Why there is no Alertmanager. */
  reason: Text.optional(),
  /** Latest first, without the Watchdog. */
  alerts: z.array(Alert),
  /** Newest first. */
  notifications: z.array(Notification),
  /** Why there is no notifier. */
  notificationsReason: Text.optional(),
  /** When the notifier heard the Watchdog last, ISO 8601: alerts get through. */
  watchdogSeenAt: z.string().nullable(),
});

type AlertList = z.infer<typeof AlertList>;

export interface AlertListDeps {
  peers: Pick<Peers, 'alertmanager' | 'notifier'>;
  /** NOTIFIER_TOKEN: the notifier lists deliveries only with it. */
  notifierToken: string | undefined;
}

export function createAlertList(
  deps: AlertListDeps,
  runbooks: Runbooks,
  share: SharedReads,
): Endpoint {
  return {
    method: 'GET',
    path: '/api/alerts',
    summary: 'What fires, and what was told to whom',
    access: 'console',
    answers: {
      'application/json': { name: 'AlertList', schema: AlertList, example: exampleAlerts },
    },
    errors: ['unauthorized', 'forbidden'],
    handle: async (c) => c.json(await share(alertsKey, () => readAll(deps, runbooks))),
  };
}

async function readAll(
  { peers, notifierToken }: AlertListDeps,
  runbooks: Runbooks,
): Promise<AlertList> {
  const [firing, told] = await Promise.allSettled([
    readFiring(peers.alertmanager, runbooks),
    readDeliveries(peers.notifier, notifierToken),
  ]);
  return {
    ...(firing.status === 'fulfilled'
      ? { source: 'alertmanager', alerts: firing.value }
      : { source: 'none', reason: toText(toChatError(firing.reason)), alerts: [] }),
    ...(told.status === 'fulfilled'
      ? told.value
      : {
          notifications: [],
          notificationsReason: toText(toChatError(told.reason)),
          watchdogSeenAt: null,
        }),
  };
}

/** @throws ChatError `peer_unreachable` */
async function readFiring(url: string | undefined, runbooks: Runbooks): Promise<Alert[]> {
  const [firing, silences] = await Promise.all([
    readAlerts(url),
    // Why one is silenced is worth less than that it fires.
    readSilences(url).catch(() => []),
  ]);
  const others = firing.filter(({ labels }) => labels['alertname'] !== watchdog);
  return others.map((alert) => toAlert(alert, silences, runbooks));
}

function toAlert(alert: FiringAlert, silences: KeptSilence[], runbooks: Runbooks): Alert {
  const { fingerprint, labels, annotations, startsAt, status } = alert;
  const { silencedBy, inhibitedBy } = status;
  const text = (key: string): Text => {
    const en = annotations[key] ?? '';
    return { en, zh: annotations[`${key}_zh`] ?? en };
  };
  const runbook = annotations['runbook_url']?.split('/').at(-1) ?? '';
  const dashboardUrl = annotations['dashboard_url'] ?? '';
  return {
    fingerprint,
    name: labels['alertname'] ?? '',
    severity: labels['severity'] ?? '',
    state: silencedBy.length > 0 ? 'silenced' : inhibitedBy.length > 0 ? 'inhibited' : 'firing',
    startsAt,
    summary: text('summary'),
    description: text('description'),
    labels,
    ...(runbooks.has(runbook) ? { runbook } : {}),
    // It becomes a link, and whoever may post an alert wrote it.
    ...(/^https?:\/\//.test(dashboardUrl) ? { dashboardUrl } : {}),
    silenceIds: silencedBy,
    silences: silences
      .filter(({ id }) => silencedBy.includes(id))
      .map(({ createdBy, comment, endsAt }) => ({ createdBy, reason: comment, endsAt })),
  };
}

const exampleAlerts: AlertList = {
  source: 'alertmanager',
  alerts: [
    {
      fingerprint: 'c0ffee0000000001',
      name: 'QueueBacklog',
      severity: 'warning',
      state: 'firing',
      startsAt: '2026-04-26T03:21:41.500Z',
      summary: { en: 'The queue fills up', zh: '队列积压' },
      description: { en: '80% of the queue is taken.', zh: '队列已占用 80%。' },
      labels: { alertname: 'QueueBacklog', severity: 'warning', job: 'qwen-instruct' },
      runbook: 'QueueBacklog',
      silenceIds: [],
      silences: [],
    },
  ],
  notifications: [
    {
      id: 1,
      at: '2026-04-26T03:21:52.000Z',
      channel: 'inbox',
      state: 'delivered',
      attempts: 1,
      title: 'QueueBacklog: The queue fills up',
      lastReason: null,
      lastDetail: null,
    },
  ],
  watchdogSeenAt: '2026-04-26T03:21:00.000Z',
};
