/** Opens the notifier's SQLite file and migrates it to the newest schema. Used by `outbox.ts`. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';

const busyMillis = 500;

/** Step n migrates version n to n + 1. Never edit a released step, because existing files have already run it. */
const migrations: readonly string[] = [
  `CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    payload TEXT NOT NULL
  ) STRICT;
  CREATE INDEX webhooks_by_key ON webhooks (key, received_at);
  CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    group_key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    last_attempt_at INTEGER,
    next_attempt_at INTEGER,
    last_reason TEXT,
    last_detail TEXT,
    finished_at INTEGER
  ) STRICT;
  CREATE INDEX notifications_by_webhook ON notifications (webhook_id);
  CREATE INDEX notifications_by_attempt ON notifications (channel, last_attempt_at);
  CREATE INDEX notifications_pending ON notifications (channel, group_key, id) WHERE state = 'pending';`,

  `-- Indexes (JSON list) of the webhook's alerts that are for this channel; null: all of them.
  ALTER TABLE notifications ADD COLUMN alerts TEXT;
  -- \`Delivery.progress\` of the last call.
  ALTER TABLE notifications ADD COLUMN progress TEXT;
  -- Notifications of one digest share the id of its first one.
  ALTER TABLE notifications ADD COLUMN digest_id INTEGER;
  -- 1: its digest was refused, so it is sent by itself.
  ALTER TABLE notifications ADD COLUMN is_alone INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE notifications ADD COLUMN queued_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE notifications ADD COLUMN traceparent TEXT;
  UPDATE notifications SET queued_at = (SELECT received_at FROM webhooks w WHERE w.id = webhook_id);
  DROP INDEX notifications_by_attempt;
  CREATE INDEX notifications_dead ON notifications (channel) WHERE state = 'dead';
  -- When each channel was called, and until when it must not be called.
  CREATE TABLE calls (channel TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
  INSERT INTO calls SELECT channel, last_attempt_at FROM notifications WHERE last_attempt_at IS NOT NULL;
  CREATE INDEX calls_by_channel ON calls (channel, at);
  CREATE TABLE pauses (channel TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT;
  -- Every alert the notifier knows of, for the reconciliation with Prometheus (\`alert-history.ts\`).
  CREATE TABLE heard (
    fingerprint TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    status TEXT NOT NULL CHECK (status IN ('firing', 'resolved', 'not_for_us')),
    alert TEXT NOT NULL,
    route TEXT NOT NULL,
    group_key TEXT NOT NULL,
    heard_at INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, starts_at)
  ) STRICT;
  CREATE INDEX heard_by_time ON heard (heard_at);
  CREATE TABLE marks (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;`,

  `DROP INDEX webhooks_by_key;
  ALTER TABLE webhooks DROP COLUMN key;
  -- Notifications (JSON list of ids) of other groups about the same alerts, which must be delivered before this one.
  ALTER TABLE notifications ADD COLUMN waits_for TEXT;
  -- Length of the wait that ends at next_attempt_at: no step of the clock makes it longer.
  ALTER TABLE notifications ADD COLUMN wait_millis INTEGER NOT NULL DEFAULT 300000;
  ALTER TABLE pauses ADD COLUMN millis INTEGER NOT NULL DEFAULT 600000;
  -- The last state of each alert that each channel was told (\`told.ts\`).
  CREATE TABLE told (
    channel TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('firing', 'resolved')),
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    at INTEGER NOT NULL,
    notification_id INTEGER NOT NULL,
    PRIMARY KEY (channel, fingerprint)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX told_by_notification ON told (notification_id);`,

  `-- How often the receiver refused this content with an error that may be about it.
  ALTER TABLE notifications ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE notifications ADD COLUMN first_refused_at INTEGER;`,

  `-- When the oldest of its new states began; null if all its alerts are reminders.
  ALTER TABLE notifications ADD COLUMN event_at INTEGER;`,
];

/** @throws Error when the file cannot be opened, is not an outbox, or has the schema of a newer version. */
export function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const db = new DatabaseSync(path, { timeout: busyMillis });
    // synchronous = FULL: commits survive a power cut; NORMAL only survives a crash of the process. No automatic
    // checkpoint, because it would delay the request that triggers it; `main.ts` runs a checkpoint every 10 s.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0');
    migrate(db);
    return db;
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'an error';
    throw new Error(`NOTIFIER_DB: cannot open ${path} as an outbox: ${reason}`, { cause: error });
  }
}

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if ((version === 0 && !isEmpty) || version > migrations.length) {
    throw new Error(
      `its version is ${version}, expected 1 to ${migrations.length}. Move the file away.`,
    );
  }
  for (const [step, statements] of migrations.entries()) {
    if (step < version) continue;
    inTransaction(db, () => db.exec(`${statements}; PRAGMA user_version = ${step + 1}`));
  }
}

export function inTransaction<Result>(db: DatabaseSync, write: () => Result): Result {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = write();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has already rolled back when the disk is full.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Writes without waiting for the disk. A crash of the process does not lose the write; a power cut may lose it until a later
 * transaction has been synced. Use it only if the worst effect of a lost write is a repeated message.
 */
export function writeLazily(db: DatabaseSync, write: () => void): void {
  db.exec('PRAGMA synchronous = NORMAL');
  try {
    write();
  } finally {
    db.exec('PRAGMA synchronous = FULL');
  }
}

export function prepareAll<Name extends string>(
  db: DatabaseSync,
  sql: Readonly<Record<Name, string>>,
): Record<Name, StatementSync> {
  const prepared = Object.entries<string>(sql).map(([name, text]) => [name, db.prepare(text)]);
  return Object.fromEntries(prepared) as Record<Name, StatementSync>;
}
