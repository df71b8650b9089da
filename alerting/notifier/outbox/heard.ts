/** Which alerts we know of and since when, on disk: what the reconciliation holds against Prometheus. Part of the outbox. */
import type { DatabaseSync } from 'node:sqlite';
import { readTime } from '../message/times.ts';
import type { Alert, Payload } from '../webhook.ts';

/** One stretch of an alert, as Alertmanager told it. Milliseconds since 1970. */
export interface HeardAlert {
  alert: Alert;
  startsAt: number;
  /** Null while it fires, as far as we were told. */
  endsAt: number | null;
  /** `not_for_us`: silenced, inhibited, or for another receiver. */
  status: 'firing' | 'resolved' | 'not_for_us';
  route: string;
  groupKey: string;
  heardAt: number;
}

export interface Heard {
  /** Notes what a webhook tells. */
  note(payload: Payload, route: string, now: number): void;
  /** Lets go of what ended a week ago. */
  forget(now: number): void;
  /** Notes an alert that Alertmanager keeps from us on purpose, as long as it does. */
  noteNotForUs(alert: Alert, now: number): void;
  /** What fired at some time since then. */
  since(time: number): HeardAlert[];
  /** When something that survives a restart happened last. */
  mark(name: string): number | undefined;
  setMark(name: string, at: number | undefined): void;
}

const keptMillis = 7 * 86_400_000;

export function createHeard(db: DatabaseSync): Heard {
  const upsert = db.prepare(`INSERT INTO heard
    (fingerprint, starts_at, ends_at, status, alert, route, group_key, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fingerprint, starts_at) DO UPDATE SET ends_at = excluded.ends_at, status = excluded.status,
      alert = excluded.alert, route = excluded.route, group_key = excluded.group_key, heard_at = excluded.heard_at
    -- A firing that comes again after its end is an echo, and what was told is not silenced later.
    WHERE heard.status <> 'resolved' AND (excluded.status <> 'not_for_us' OR heard.status = 'not_for_us')`);
  const forget = db.prepare("DELETE FROM heard WHERE heard_at < ? AND status <> 'firing'");
  const since = db.prepare(`SELECT alert, starts_at AS startsAt, ends_at AS endsAt, status, route,
    group_key AS groupKey, heard_at AS heardAt FROM heard WHERE ends_at IS NULL OR ends_at >= ?`);
  const mark = db.prepare('SELECT at FROM marks WHERE name = ?');
  const setMark = db.prepare('INSERT OR REPLACE INTO marks (name, at) VALUES (?, ?)');
  const clearMark = db.prepare('DELETE FROM marks WHERE name = ?');

  return {
    note(payload, route, now) {
      for (const alert of payload.alerts) {
        const startsAt = readTime(alert.startsAt) ?? now;
        const endsAt = alert.status === 'resolved' ? (readTime(alert.endsAt) ?? now) : null;
        const { fingerprint, status } = alert;
        const text = JSON.stringify(alert);
        upsert.run(fingerprint, startsAt, endsAt, status, text, route, payload.groupKey, now);
      }
    },
    forget: (now) => void forget.run(now - keptMillis),
    noteNotForUs(alert, now) {
      const startsAt = readTime(alert.startsAt) ?? now;
      upsert.run(
        alert.fingerprint,
        startsAt,
        now,
        'not_for_us',
        JSON.stringify(alert),
        '',
        '',
        now,
      );
    },
    since: (time) =>
      since.all(time).map((row) => {
        const heardAlert = row as unknown as HeardAlert & { alert: string };
        return Object.assign(heardAlert, { alert: JSON.parse(heardAlert.alert) as Alert });
      }),
    mark: (name) => mark.get(name)?.['at'] as number | undefined,
    setMark(name, at) {
      if (at === undefined) clearMark.run(name);
      else setMark.run(name, at);
    },
  };
}
