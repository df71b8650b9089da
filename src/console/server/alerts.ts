/** GET /api/alerts: the alerts of Alertmanager, and which program on the path of an alert does not answer. */
import { z } from 'zod';
import type { Text } from '../../../otel/text.ts';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { Config } from '../../config.ts';
import { readAlerts, readSilences, type ActiveAlert, type StoredSilence } from './alertmanager.ts';
import { AlertList, type Alert } from './answers.ts';
import { createGraphLink } from './graph-page.ts';
import { readWatchdog } from './notifications.ts';
import { askPeer, findMissing, tryPeer } from './peers.ts';
import type { Runbooks } from './runbooks.ts';
import type { SharedReads } from './shared-reads.ts';

/** Key of the shared read, which the endpoints of silences invalidate. */
export const alertsKey = 'alerts';

/** The Watchdog always fires, to prove that alerts are delivered. It is not listed, because it needs no action. */
export const watchdog = 'Watchdog';

/** The receiver without a webhook in stack/alertmanager/alertmanager.yml. */
const silentReceiver = 'nobody';

export type AlertListDeps = Pick<Config, 'peers' | 'notifierToken'>;

export function createAlertList(
  deps: AlertListDeps,
  runbooks: Runbooks,
  share: SharedReads,
): Endpoint {
  return {
    method: 'GET',
    path: '/api/alerts',
    summary: 'Active alerts, and which program on the path of an alert does not answer',
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
  const { prometheus, alertmanager, notifier } = peers;
  const [rules, alerts, seen] = await Promise.all([
    tryPeer('prometheus', prometheus !== undefined, askPrometheus(prometheus)),
    tryPeer('alertmanager', alertmanager !== undefined, listAlerts(peers, runbooks)),
    tryPeer('notifier', notifier !== undefined, readWatchdog(notifier, notifierToken)),
  ]);
  return {
    alerts: alerts.value ?? [],
    watchdogSeenAt: seen.value ?? null,
    missing: findMissing([rules, alerts, seen]),
  };
}

/** Without Prometheus no alert fires. @throws ChatError `peer_unreachable` */
function askPrometheus(url: string | undefined): Promise<object> {
  const path = '/api/v1/status/buildinfo';
  return askPeer({ peer: 'prometheus', url, path }, z.object({}));
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
  const { fingerprint, labels, annotations, startsAt, receivers, status } = alert;
  const { silencedBy, inhibitedBy } = status;
  const dashboardUrl = annotations['dashboard_url'] ?? '';
  return {
    fingerprint,
    name: labels['alertname'] ?? '',
    severity: labels['severity'] ?? '',
    state: silencedBy.length > 0 ? 'silenced' : inhibitedBy.length > 0 ? 'inhibited' : 'firing',
    startsAt,
    summary: textOf(annotations, 'summary'),
    description: textOf(annotations, 'description'),
    labels,
    notifies: receivers.some(({ name }) => name !== silentReceiver),
    ...runbookOf(annotations, runbooks),
    // The page links to this URL, and any client of Alertmanager may have written it.
    ...(/^https?:\/\//.test(dashboardUrl) ? { dashboardUrl } : {}),
    silences: silences
      .filter(({ id }) => silencedBy.includes(id))
      .map(({ id, createdBy, comment, endsAt }) => ({ id, createdBy, reason: comment, endsAt })),
  };
}

type Annotations = Record<string, string>;

/** The annotation in both languages. */
export function textOf(annotations: Annotations, key: string): Text {
  const en = annotations[key] ?? '';
  return { en, zh: annotations[`${key}_zh`] ?? en };
}

export function runbookOf(annotations: Annotations, runbooks: Runbooks): { runbook?: string } {
  const runbook = annotations['runbook_url']?.split('/').at(-1) ?? '';
  return runbooks.has(runbook) ? { runbook } : {};
}

const exampleAlerts: AlertList = {
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
      notifies: true,
      runbook: 'QueueBacklog',
      silences: [],
    },
  ],
  watchdogSeenAt: '2026-04-26T03:21:00.000Z',
  missing: [],
};
