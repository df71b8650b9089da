/**
 * Stores the last state of each alert that each channel was told, and decides by it which alerts of a webhook are news.
 * Used by `outbox.ts`.
 */
import type { DatabaseSync } from 'node:sqlite';
import { readTime } from '../webhook.ts';
import type { Alert } from '../webhook.ts';
import { prepareAll } from './database.ts';

/** The last notification about one alert on one channel. Times are milliseconds since 1970. */
export interface Told {
  status: Alert['status'];
  startsAt: number;
  /** Null for a firing alert, or if the end is unknown. */
  endsAt: number | null;
  /** Time of the delivery; before it the time at which the notification was stored. */
  at: number;
  notificationId: number;
  /** The notification has not been delivered yet. */
  isPending: 0 | 1;
}

/**
 * A firing alert is an echo within this time of the last delivery, and Alertmanager's reminder (`repeat_interval`) after it. Each
 * Alertmanager of a pair, or one that restarts, repeats a webhook within seconds.
 */
const echoMillis = 60_000;
const keptMillis = { resolved: 7 * 86_400_000, firing: 35 * 86_400_000 };
const maxRows = 100_000;

/**
 * Whether a channel that was told `last` should be told `alert`. Another state is always news, so that the last message equals the
 * state of Alertmanager whatever repeats came late. A second end is news only if the alert fired again after the first end.
 */
export function isNews(alert: Alert, last: Told | undefined, now: number): boolean {
  if (last === undefined || last.status !== alert.status) return true;
  if (alert.status === 'resolved') {
    return (readTime(alert.startsAt) ?? 0) > (last.endsAt ?? last.startsAt);
  }
  // The absolute value: after a step of the clock to the past, reminders must not be echoes for hours.
  return last.isPending === 0 && Math.abs(now - last.at) >= echoMillis;
}

const sql = {
  get: `SELECT t.status, t.starts_at AS startsAt, t.ends_at AS endsAt, t.at, t.notification_id AS notificationId,
    COALESCE(n.state = 'pending', 0) AS isPending
    FROM told t LEFT JOIN notifications n ON n.id = t.notification_id WHERE t.channel = ? AND t.fingerprint = ?`,
  set: `INSERT OR REPLACE INTO told (channel, fingerprint, status, starts_at, ends_at, at, notification_id)
    VALUES (?, ?, ?, ?, ?, ?, ?)`,
  delivered: 'UPDATE told SET at = ? WHERE notification_id IN (SELECT value FROM json_each(?))',
  dead: 'DELETE FROM told WHERE notification_id IN (SELECT value FROM json_each(?))',
  retire: 'DELETE FROM told WHERE channel NOT IN (SELECT value FROM json_each(?))',
  forget: "DELETE FROM told WHERE at < iif(status = 'firing', ?, ?)",
  limit: `DELETE FROM told WHERE (channel, fingerprint) IN
    (SELECT channel, fingerprint FROM told ORDER BY at DESC LIMIT -1 OFFSET ${maxRows})`,
};

export type ToldTable = ReturnType<typeof createTold>;

export function createTold(db: DatabaseSync) {
  const statements = prepareAll(db, sql);
  return {
    get: (channel: string, { fingerprint }: Alert) =>
      statements.get.get(channel, fingerprint) as unknown as Told | undefined,
    set(channel: string, alert: Alert, notificationId: number, now: number): void {
      const { fingerprint, status } = alert;
      const endsAt = status === 'resolved' ? (readTime(alert.endsAt) ?? null) : null;
      const startsAt = readTime(alert.startsAt) ?? 0;
      statements.set.run(channel, fingerprint, status, startsAt, endsAt, now, notificationId);
    },
    delivered: (ids: readonly number[], now: number): void =>
      void statements.delivered.run(now, JSON.stringify(ids)),
    /** Nobody read a dead notification, so the next one about its alerts is news. */
    dead: (ids: readonly number[]): void => void statements.dead.run(JSON.stringify(ids)),
    retire: (configured: readonly string[]): void =>
      void statements.retire.run(JSON.stringify(configured)),
    forget(now: number): void {
      statements.forget.run(now - keptMillis.firing, now - keptMillis.resolved);
      statements.limit.run();
    },
  };
}
