/** Stores the alerts that the notifier received, with their times. The reconciliation compares them with Prometheus. */
import type { DatabaseSync } from 'node:sqlite';
import { readTime } from '../webhook.ts';
import type { Alert, Payload } from '../webhook.ts';
import { prepareAll } from './database.ts';

/** One firing of an alert. Times are milliseconds since 1970. */
export interface AlertRecord {
  alert: Alert;
  startsAt: number;
  /** Null until its resolved notification arrives. */
  endsAt: number | null;
  /** `not_for_us`: silenced, inhibited, or routed to receivers without a webhook. */
  status: 'firing' | 'resolved' | 'not_for_us';
  route: string;
  groupKey: string;
  recordedAt: number;
}

const keptMillis = 7 * 86_400_000;

const sql = {
  // Ignore a firing state after the end of the same firing: it is a late repeat. A sent alert never becomes `not_for_us`.
  upsert: `INSERT INTO heard
    (fingerprint, starts_at, ends_at, status, alert, route, group_key, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fingerprint, starts_at) DO UPDATE SET ends_at = excluded.ends_at, status = excluded.status,
      alert = excluded.alert, route = excluded.route, group_key = excluded.group_key, heard_at = excluded.heard_at
    WHERE heard.status <> 'resolved' AND (excluded.status <> 'not_for_us' OR heard.status = 'not_for_us')`,
  forget: "DELETE FROM heard WHERE heard_at < ? AND status <> 'firing'",
  since: `SELECT alert, starts_at AS startsAt, ends_at AS endsAt, status, route, group_key AS groupKey,
    heard_at AS recordedAt FROM heard WHERE ends_at IS NULL OR ends_at >= ?`,
};

export function createAlertHistory(db: DatabaseSync) {
  const statements = prepareAll(db, sql);

  function upsert({ alert, startsAt, endsAt, status, route, groupKey, recordedAt }: AlertRecord) {
    const values = [startsAt, endsAt, status, JSON.stringify(alert), route, groupKey, recordedAt];
    statements.upsert.run(alert.fingerprint, ...values);
  }

  return {
    /** Records the alerts of a webhook. */
    record({ alerts, groupKey }: Payload, route: string, now: number): void {
      for (const alert of alerts) {
        const { status } = alert;
        const startsAt = readTime(alert.startsAt) ?? now;
        const endsAt = status === 'resolved' ? (readTime(alert.endsAt) ?? now) : null;
        upsert({ alert, startsAt, endsAt, status, route, groupKey, recordedAt: now });
      }
    },
    /** Records that Alertmanager intentionally does not send this alert now. */
    recordNotForUs(alert: Alert, now: number): void {
      const startsAt = readTime(alert.startsAt) ?? now;
      const unrouted = { route: '', groupKey: '', recordedAt: now };
      upsert({ alert, startsAt, endsAt: now, status: 'not_for_us', ...unrouted });
    },
    /** Deletes alerts that are not firing and were last recorded over a week ago. */
    forget: (now: number): void => void statements.forget.run(now - keptMillis),
    /** Alerts that were firing at or after `time`. */
    since(time: number): AlertRecord[] {
      const rows = statements.since.all(time) as unknown as (AlertRecord & { alert: string })[];
      return rows.map((row) => Object.assign(row, { alert: JSON.parse(row.alert) as Alert }));
    },
  };
}
