/** GET /api/alerts: alerts from Alertmanager and notifications from the notifier. If one program is not available, answers from the other. */
import type { Text } from '../../../otel/text.ts';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { Config } from '../../config.ts';
import { toChatError } from '../../errors.ts';
import { readAlerts, readSilences, type ActiveAlert, type StoredSilence } from './alertmanager.ts';
import { AlertList, type Alert } from './answers.ts';
import { createGraphLink } from './graph-page.ts';
import { readDeliveries } from './notifications.ts';
import { toText } from './peers.ts';
import type { Runbooks } from './runbooks.ts';
import type { SharedReads } from './shared-reads.ts';

/** Key of the shared read, which POST /api/silences invalidates. */
export const alertsKey = 'alerts';

/** The Watchdog always fires, to prove that alerts are delivered. It is not listed, because it needs no action. */
const watchdog = 'Watchdog';

export type AlertListDeps = Pick<Config, 'peers' | 'notifierToken'>;

export function createAlertList(
  deps: AlertListDeps,
  runbooks: Runbooks,
  share: SharedReads,
): Endpoint {
  return {
    method: 'GET',
    path: '/api/alerts',
    summary: 'Active alerts and recent notifications',
    access: 'console',
    answers: answersJson('AlertList', AlertList, exampleAlerts),
    errors: ['unauthorized', 'forbidden'],
    handle: async (c) => c.json(await share(alertsKey, () => readAll(deps, runbooks))),
  };
}

async function readAll(
  { peers, notifierToken }: AlertListDeps,
  runbooks: Runbooks,
): Promise<AlertList> {
  const [alerts, deliveries] = await Promise.allSettled([
    listAlerts(peers, runbooks),
    readDeliveries(peers.notifier, notifierToken),
  ]);
  return {
    ...(alerts.status === 'fulfilled'
      ? { source: 'alertmanager', alerts: alerts.value }
      : { source: 'none', reason: toText(toChatError(alerts.reason)), alerts: [] }),
    ...(deliveries.status === 'fulfilled'
      ? deliveries.value
      : {
          notifications: [],
          notificationsReason: toText(toChatError(deliveries.reason)),
          watchdogSeenAt: null,
        }),
  };
}

/** @throws ChatError `peer_unreachable` */
async function listAlerts(
  { alertmanager, prometheus }: Config['peers'],
  runbooks: Runbooks,
): Promise<Alert[]> {
  const [alerts, silences, toGraph] = await Promise.all([
    readAlerts(alertmanager),
    // Without the silences, only their reasons are missing.
    readSilences(alertmanager).catch(() => []),
    createGraphLink(prometheus),
  ]);
  const others = alerts.filter(({ labels }) => labels['alertname'] !== watchdog);
  return others.map((alert) => {
    const described = toAlert(alert, silences, runbooks);
    const { dashboardUrl } = described;
    return dashboardUrl === undefined
      ? described
      : Object.assign(described, { dashboardUrl: toGraph(dashboardUrl) });
  });
}

function toAlert(alert: ActiveAlert, silences: StoredSilence[], runbooks: Runbooks): Alert {
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
    // The page links to this URL, and any client of Alertmanager may have written it.
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
