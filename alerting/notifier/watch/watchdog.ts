/**
 * Alertmanager sends the Watchdog alert every minute. If it stops arriving, the notifier raises an alert on every channel, and
 * resolves this alert when the Watchdog arrives again. The app reports each arrival, `main.ts` checks every second.
 */
import type { Intake } from '../intake.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { ownPayload, watchdogName } from '../webhook.ts';
import type { Alert } from '../webhook.ts';

export type Watchdog = ReturnType<typeof createWatchdog>;

export interface WatchdogOptions {
  marks: Outbox['marks'];
  intake: Intake;
  /** The alert is raised after this time without a Watchdog; 0: never. */
  silenceSeconds: number;
  /** `${runbookUrl}/Watchdog` is the runbook. */
  runbookUrl: string;
  now: () => number;
  /** Milliseconds of a monotonic clock: a step of the wall clock neither raises the alert nor delays it. */
  elapsed: () => number;
}

/** Stored, so that a restart neither repeats the alert nor forgets to resolve it. */
const seenMark = 'watchdog_seen';
const silentMark = 'watchdog_silent_since';

export function createWatchdog(options: WatchdogOptions) {
  const { marks, intake, silenceSeconds, runbookUrl, now, elapsed } = options;
  /** Start of the wait: the last arrival, or the start of the notifier, because nothing arrives while the notifier is down. */
  let waitingSince = elapsed();
  const silentMillis = (): number => elapsed() - waitingSince;

  function raise(status: Alert['status'], since: number): void {
    const alert = {
      status,
      labels: { alertname: 'WatchdogSilent', severity: 'critical' },
      annotations: annotate(silenceSeconds, runbookUrl),
      startsAt: new Date(since).toISOString(),
      ...(status === 'resolved' && { endsAt: new Date(now()).toISOString() }),
      fingerprint: 'notifier-watchdog',
    };
    intake(ownPayload('notifier', 'notifier/watchdog', [alert]), 'notifier');
  }

  return {
    /** Records an arrival. */
    received(): void {
      const silentSince = marks.get(silentMark);
      if (silentSince !== undefined) raise('resolved', silentSince);
      marks.set(silentMark, undefined);
      marks.set(seenMark, now());
      waitingSince = elapsed();
    },
    /** Raises the alert once when the Watchdog has been missing for `silenceSeconds`. */
    check(): void {
      const isMissing = silentMillis() >= silenceSeconds * 1000;
      if (silenceSeconds === 0 || !isMissing || marks.get(silentMark) !== undefined) return;
      const since = Math.round(now() - silentMillis());
      raise('firing', since);
      marks.set(silentMark, since);
    },
    /** Time of the last arrival; undefined if the Watchdog never arrived. */
    lastSeenAt: () => marks.get(seenMark),
    /** Milliseconds since the last arrival or the start. */
    silentMillis,
  };
}

function annotate(seconds: number, runbookUrl: string): Record<string, string> {
  return {
    summary: 'The alert path is down',
    description: `No ${watchdogName} alert has arrived for ${seconds} s: Prometheus, Alertmanager or their connection to the notifier is down. Other alerts cannot arrive either.`,
    summary_zh: '告警链路中断',
    description_zh: `已有 ${seconds} 秒没有收到 ${watchdogName}：Prometheus、Alertmanager，或它们到通知服务的连接异常。恢复之前不会再收到其他告警。`,
    action_en: 'make status',
    action_zh: 'make status',
    runbook_url: `${runbookUrl}/${watchdogName}`,
  };
}
