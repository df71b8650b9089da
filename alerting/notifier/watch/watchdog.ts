/**
 * The dead man's switch: Alertmanager sends the Watchdog every minute. When it stops, the notifier itself says so on every
 * channel, and when it is back. Used by the app, which sees it come, and by `main.ts`, which looks for its silence.
 */
import type { Intake } from '../intake.ts';
import type { Heard } from '../outbox/heard.ts';
import { ownPayload, watchdogName } from '../webhook.ts';
import type { Alert } from '../webhook.ts';

export interface Watchdog {
  /** It came. */
  seen(): void;
  /** Tells of its silence, once, when that has lasted. */
  check(): void;
  /** When it came last, or undefined when it never did. */
  lastSeenAt(): number | undefined;
  /** Since when we have been waiting: it came, or the notifier began. */
  waitingSince(): number;
}

export interface WatchdogOptions {
  heard: Pick<Heard, 'mark' | 'setMark'>;
  tell: Intake;
  /** 0 is never. */
  silenceSeconds: number;
  /** Ends with the runbook's name. */
  runbookUrl: string;
  now: () => number;
}

/** On disk: a restart neither forgets when it came nor says twice that it does not. */
const seenMark = 'watchdog_seen';
const silentMark = 'watchdog_silent_since';

export function createWatchdog({
  heard,
  tell,
  silenceSeconds,
  runbookUrl,
  now,
}: WatchdogOptions): Watchdog {
  const startedAt = now();

  function waitingSince(): number {
    // While the notifier was away nothing could arrive.
    return Math.max(heard.mark(seenMark) ?? 0, startedAt);
  }

  function say(status: Alert['status'], since: number): void {
    const alert: Alert = {
      status,
      labels: { alertname: 'WatchdogSilent', severity: 'critical' },
      annotations: describe(silenceSeconds, runbookUrl),
      startsAt: new Date(since).toISOString(),
      endsAt: status === 'resolved' ? new Date(now()).toISOString() : '',
      generatorURL: '',
      fingerprint: 'notifier-watchdog',
    };
    tell(ownPayload('notifier', 'notifier/watchdog', [alert]), 'everywhere');
  }

  return {
    seen() {
      const silentSince = heard.mark(silentMark);
      if (silentSince !== undefined) say('resolved', silentSince);
      heard.setMark(silentMark, undefined);
      heard.setMark(seenMark, now());
    },
    check() {
      const since = waitingSince();
      const isOver = now() - since >= silenceSeconds * 1000;
      if (silenceSeconds === 0 || !isOver || heard.mark(silentMark) !== undefined) return;
      say('firing', since);
      heard.setMark(silentMark, since);
    },
    lastSeenAt: () => heard.mark(seenMark),
    waitingSince,
  };
}

function describe(seconds: number, runbookUrl: string): Record<string, string> {
  return {
    summary: 'The alert path is silent',
    description: `No ${watchdogName} has arrived for ${seconds} s: Prometheus, Alertmanager or the way to the notifier is broken. Other alerts do not arrive either.`,
    summary_zh: '告警链路中断',
    description_zh: `已有 ${seconds} 秒没有收到 ${watchdogName}：Prometheus、Alertmanager 或到通知服务的链路异常，其他告警也无法送达。`,
    runbook_url: `${runbookUrl}/${watchdogName}`,
  };
}
