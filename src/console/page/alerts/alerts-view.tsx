/** The active alerts, and the recent notifications about them. */
import type { VNode } from 'preact';
import type { Alert, AlertList, Notification, Status } from '../../server/answers.ts';
import { FailureMessage } from '../failure-message.tsx';
import { formatTime } from '../format.ts';
import type { Polled } from '../polling.ts';
import { ProgramLink } from '../program-link.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { AlertCard } from './alert-card.tsx';

interface AlertsViewProps {
  alerts: Polled<AlertList>;
  status: Status | undefined;
}

/** Firing alerts first, then by severity. */
const stateOrder = ['firing', 'silenced', 'inhibited'];
const severityOrder = ['critical', 'page', 'error', 'warning', 'ticket', 'info', 'none'];

export function AlertsView({ alerts: { value, failure, reload }, status }: AlertsViewProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const alerts = (value?.alerts ?? []).toSorted((a, b) => rank(a) - rank(b));
  const isQuiet = alerts.every(({ state }) => state !== 'firing');
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>{t.alerts}</h1>
        <ProgramLink base={status?.links.alertmanager}>{t.openAlertmanager}</ProgramLink>
      </header>
      <FailureMessage failure={failure} />
      {value?.source === 'none' && (
        <p class="notice" role="status">
          {value.reason === undefined ? t.noAlertmanager : pick(value.reason)}
        </p>
      )}
      {value?.source === 'alertmanager' && isQuiet && <p class="all-well">{t.nothingFires}</p>}
      <ul class="alert-list">
        {alerts.map((alert) => (
          <AlertCard key={alert.fingerprint} alert={alert} onChange={reload} />
        ))}
      </ul>
      {value !== undefined && <Notifications list={value} />}
    </main>
  );
}

function rank({ state, severity }: Alert): number {
  return indexIn(stateOrder, state) * 10 + indexIn(severityOrder, severity);
}

/** An unknown item comes last. */
function indexIn(list: readonly string[], item: string): number {
  return list.includes(item) ? list.indexOf(item) : list.length;
}

function Notifications({ list }: { list: AlertList }): VNode {
  const t = useTexts();
  const pick = usePick();
  const { notifications, notificationsReason, watchdogSeenAt } = list;
  return (
    <section>
      <h2>{t.notifications}</h2>
      {notificationsReason !== undefined && <p class="notice">{pick(notificationsReason)}</p>}
      {watchdogSeenAt !== null && <p class="hint">{t.watchdog(formatTime(watchdogSeenAt))}</p>}
      {notifications.length === 0 && notificationsReason === undefined && (
        <p class="empty">{t.noNotifications}</p>
      )}
      <ol class="notification-list card">
        {notifications.map((notification) => (
          <li key={notification.id}>
            <time>{formatTime(notification.at)}</time>
            <span class={`chip ${notification.state}`}>
              {t.deliveries[notification.state]}
              {notification.attempts > 1 && ` · ${t.attempts(notification.attempts)}`}
            </span>
            <span class="muted">{notification.channel}</span>
            <span class="notification-title" dir="auto">
              {notification.title}
            </span>
            <LastReason notification={notification} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Why the last attempt failed. */
function LastReason({ notification }: { notification: Notification }): VNode | null {
  const { state, lastReason, lastDetail } = notification;
  if (state === 'delivered' || lastReason === null) return null;
  return (
    <span class="last-reason" dir="auto">
      {lastReason}
      {lastDetail !== null && `: ${lastDetail}`}
    </span>
  );
}
