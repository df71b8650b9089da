/** The texts of the view Alerts in English. `zh-alerts.ts` has the same keys. */
import type { AlertingRule, Missing } from '../../server/answers.ts';

/** The numbers above the history of alerts. */
export interface HistoryCounts {
  fired: number;
  firing: number;
  delivered: number;
  failed: number;
}

type ByName = Record<string, string>;

export const enAlerts = {
  alerts: 'Alerts',
  openPrometheus: 'Open Prometheus',
  openAlertmanager: 'Open Alertmanager',
  missing: {
    prometheus: 'No rule is evaluated, so no alert can fire.',
    alertmanager: 'Alerts are not shown here and reach nobody.',
    notifier: 'No notification is sent.',
  } satisfies Record<Missing['peer'], string>,
  missingShort: {
    prometheus: 'Prometheus is down',
    alertmanager: 'Alertmanager is down',
    notifier: 'The notifier is down',
  } satisfies Record<Missing['peer'], string>,
  loadFailure: 'The model cannot be loaded:',
  logDiskFull: 'The disk is full, so log lines are lost.',
  logDiskHint: 'Free some space; answers are not affected.',
  nothingFires: 'No alerts are firing.',
  firingCount: (count: number) =>
    count === 1 ? '1 alert is firing' : `${count} alerts are firing`,
  alertStates: { firing: 'firing', silenced: 'silenced', inhibited: 'inhibited' },
  severities: {
    critical: 'critical',
    warning: 'warning',
    info: 'info',
    none: 'none',
  } as ByName,
  notifiesNobody: 'notifies nobody',
  since: (time: string) => `since ${time}`,
  runbook: 'Runbook',
  openGraph: 'Open in Prometheus',
  silence: 'Silence…',
  silenceLength: 'Duration',
  silenceLengths: { quarter: '15 minutes', hour: '1 hour', day: '1 day' },
  silenceReason: 'Reason (visible to others)',
  silenceFor: (length: string) => `Silence for ${length}`,
  silencedUntil: (time: string, by: string) => `Silenced until ${time} by ${by}:`,
  liftSilence: 'End silence',
  watchdog: (time: string) =>
    `Alerts reach the notifier: the last heartbeat (Watchdog) arrived at ${time}.`,
  foreignAlert: 'from another program',
  foreignHint:
    'No rule of this Prometheus has this name: another program sent the alert to Alertmanager.',
  foreignRules: (names: string) => `Sent by other programs, without a rule here: ${names}.`,
  rules: 'All rules',
  rulesHint: (count: number, pending: number) =>
    `${count} rules, ${pending} pending. A pending rule fires when its condition has held long enough.`,
  ruleStates: {
    firing: 'firing',
    pending: 'pending',
    inactive: 'ok',
    broken: 'cannot be evaluated',
  } satisfies Record<AlertingRule['state'], string>,
  valueNow: 'now',
  forSome: (duration: string) => `for ${duration}`,
  otherConditions: 'other conditions do not hold',
  neverFired: 'not within 7 days',
  lastFired: (time: string) => `last ${time}`,
  history: 'What happened',
  historyPeriods: { day: '24 hours', week: '7 days' },
  historySum: ({ fired, firing }: HistoryCounts) =>
    `${fired} fired, ${firing} of them still firing.`,
  deliverySum: ({ delivered, failed }: HistoryCounts) =>
    `Notifications: ${delivered} delivered, ${failed} failed.`,
  noHistory: 'No alert fired in this time.',
  unknownHistory: 'It is not known what fired: not every program answers.',
  stillFiring: 'still firing',
  endUnknown: 'ended, time unknown',
  watchdogLast: (time: string) => `Last Watchdog received at ${time}.`,
  resolvedAfter: (duration: string, time: string) => `resolved at ${time}, after ${duration}`,
  about: { firing: 'Start:', resolved: 'End:' },
  inboxOnly: 'stored in the inbox, sent to no phone',
  nobodyNotified: 'Nobody was notified.',
  unknownNotified: 'Unknown who was notified: the notifier does not answer.',
  deliveries: { pending: 'pending', delivered: 'delivered', dead: 'failed' },
  attempts: (count: number) => `${count} attempts`,
  reasons: {
    channel_removed: 'channel removed',
    clock: 'clocks differ',
    expired: 'expired',
    network: 'network error',
    rate_limited: 'rate limited',
    refused: 'refused',
    server_error: 'server error',
    timeout: 'timeout',
    unexpected_answer: 'unexpected answer',
  } as Record<string, string>,
  because: (reason: string, detail: string) => `${reason}: ${detail}`,
};
