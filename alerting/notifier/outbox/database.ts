/** The notifier's SQLite file: opened and brought to the newest schema. Used by the outbox. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const busyMillis = 500;

/** Step n brings version n to n + 1. A step that is released is never edited: somebody's file has taken it. */
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

  `-- Which of the webhook's alerts are for this channel: a JSON list of their places, or null for all of them.
  ALTER TABLE notifications ADD COLUMN alerts TEXT;
  -- What the channel noted of its last call.
  ALTER TABLE notifications ADD COLUMN progress TEXT;
  -- Notifications that are told as one digest hold the id of its first.
  ALTER TABLE notifications ADD COLUMN digest_id INTEGER;
  -- Its digest was refused: it is told by itself.
  ALTER TABLE notifications ADD COLUMN is_alone INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE notifications ADD COLUMN queued_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE notifications ADD COLUMN traceparent TEXT;
  UPDATE notifications SET queued_at = (SELECT received_at FROM webhooks w WHERE w.id = webhook_id);
  DROP INDEX notifications_by_attempt;
  CREATE INDEX notifications_dead ON notifications (channel) WHERE state = 'dead';
  -- When each robot was called, and how long one is left alone.
  CREATE TABLE calls (channel TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
  INSERT INTO calls SELECT channel, last_attempt_at FROM notifications WHERE last_attempt_at IS NOT NULL;
  CREATE INDEX calls_by_channel ON calls (channel, at);
  CREATE TABLE pauses (channel TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT;
  -- Every alert that we know of, to be reconciled with Prometheus.
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
];

/** @throws Error when the file cannot be opened, is not ours, or is of a newer notifier. */
export function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const db = new DatabaseSync(path, { timeout: busyMillis });
    // FULL: what was committed survives a power cut; WAL alone would only survive a crash of the process. Without the
    // automatic checkpoint no request pays for the others' pages: `main.ts` calls for one from time to time.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0');
    migrate(db);
    return db;
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'an error';
    const message = `NOTIFIER_DB: expected an outbox or no file at ${path}, got: ${reason}`;
    throw new Error(message, { cause: error });
  }
}

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if ((version === 0 && !isEmpty) || version > migrations.length) {
    throw new Error(`its version is ${version}, not 1 to ${migrations.length}; move it away`);
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
    // A full disk has rolled back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * A write that survives a crash of the process, and a power cut only once a later transaction is on disk: for what may be
 * lost at the price of a repeated message. It spares a request that comes meanwhile the wait for the disk.
 */
export function writeLazily(db: DatabaseSync, write: () => void): void {
  db.exec('PRAGMA synchronous = NORMAL');
  try {
    write();
  } finally {
    db.exec('PRAGMA synchronous = FULL');
  }
}
