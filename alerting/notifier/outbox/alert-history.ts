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

/** Alertmanager's reminders renew a firing alert, at the latest after its `repeat_interval`. */
const keptMillis = { ended: 7 * 86_400_000, firing: 35 * 86_400_000 };
const maxRows = 100_000;

const sql = {
  // The newest state counts: a sender that was late goes on with the same start. If a repeat came late instead, the
  // reconciliation finds that the alert no longer fires. A sent alert never becomes `not_for_us`.
  upsert: `INSERT INTO heard
    (fingerprint, starts_at, ends_at, status, alert, route, group_key, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fingerprint, starts_at) DO UPDATE SET ends_at = excluded.ends_at, status = excluded.status,
      alert = excluded.alert, route = excluded.route, group_key = excluded.group_key, heard_at = excluded.heard_at
    WHERE excluded.status <> 'not_for_us' OR heard.status = 'not_for_us'`,
  forget: "DELETE FROM heard WHERE heard_at < iif(status = 'firing', ?, ?)",
  limit: `DELETE FROM heard WHERE rowid IN
    (SELECT rowid FROM heard ORDER BY heard_at DESC LIMIT -1 OFFSET ${maxRows})`,
  since: `SELECT alert, starts_at AS startsAt, ends_at AS endsAt, status, route, group_key AS groupKey,
    heard_at AS recordedAt FROM heard WHERE ends_at IS NULL OR ends_at >= ?`,
};

export type AlertHistory = ReturnType<typeof createAlertHistory>;

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
    /** Deletes alerts that were not recorded for long, so that the table is bounded. */
    forget(now: number): void {
      statements.forget.run(now - keptMillis.firing, now - keptMillis.ended);
      statements.limit.run();
    },
    /** Alerts that were firing at or after `time`. */
    since(time: number): AlertRecord[] {
      const rows = statements.since.all(time) as unknown as (AlertRecord & { alert: string })[];
      return rows.map((row) => Object.assign(row, { alert: JSON.parse(row.alert) as Alert }));
    },
  };
}
