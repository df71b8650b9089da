/**
 * What is owed to each channel, on disk: a webhook and its notifications are written in one transaction before
 * Alertmanager hears 200, and leave the list only when a channel has them. Used by the app and the workers.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { DeadReason, Delivery } from './delivery.ts';

type State = 'pending' | 'delivered' | 'dead';

interface Incoming {
  route: string;
  /** Of `idempotencyKey`. */
  key: string;
  /** Notifications of one group reach a channel in the order they came: firing before resolved. */
  groupKey: string;
  payload: string;
  channels: readonly string[];
}

export interface Notification {
  id: number;
  route: string;
  channel: string;
  state: State;
  attempts: number;
  /** Why the last attempt failed: a reason and a sentence. */
  lastReason: string | null;
  lastDetail: string | null;
  /** Milliseconds since 1970, as all times here. */
  receivedAt: number;
  nextAttemptAt: number | null;
  finishedAt: number | null;
  payload: string;
}

export interface Outbox {
  /** @throws Error when it cannot be written; nothing is kept then. */
  accept(incoming: Incoming, now: number): 'accepted' | 'duplicate';
  /** The first notification that is due and has no earlier one of its group before it. */
  next(channel: string, now: number): Notification | undefined;
  /** When `next` may have one, or undefined when nothing is pending. */
  nextDueAt(channel: string): number | undefined;
  /** Notes one attempt; `nextAttemptAt` counts for a retry only. */
  settle(id: number, delivery: Delivery, now: number, nextAttemptAt: number): void;
  /** When the robot was called since then, oldest first: a restart must not forget what its rate has left. */
  attemptsSince(channel: string, since: number): number[];
  /** Newest first. */
  list(limit: number): Notification[];
  oldestPendingAt(): number | undefined;
  /** Ends what waits for channels that are no longer configured; answers how many. */
  retire(configured: readonly string[], now: number): number;
  close(): void;
}

export interface OutboxOptions {
  path: string;
  /** The file grows no larger; past it `accept` throws and Alertmanager keeps the alert. */
  maxBytes?: number;
  /** Finished webhooks that are kept to be looked at. */
  keep?: number;
  /** The same key within this time is the same news; later it is Alertmanager's reminder (`repeat_interval`). */
  duplicateSeconds?: number;
}

const pageBytes = 4096;
const busyMillis = 500;

const schemaVersion = 1;
const schema = `
  CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    payload TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS webhooks_by_key ON webhooks (key, received_at);
  CREATE TABLE IF NOT EXISTS notifications (
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
  CREATE INDEX IF NOT EXISTS notifications_by_webhook ON notifications (webhook_id);
  CREATE INDEX IF NOT EXISTS notifications_by_attempt ON notifications (channel, last_attempt_at);
  CREATE INDEX IF NOT EXISTS notifications_pending ON notifications (channel, group_key, id) WHERE state = 'pending';
  PRAGMA user_version = ${schemaVersion};
`;

const columns = `n.id, w.route, n.channel, n.state, n.attempts, n.last_reason AS lastReason,
  n.last_detail AS lastDetail, w.received_at AS receivedAt, n.next_attempt_at AS nextAttemptAt,
  n.finished_at AS finishedAt, w.payload`;
const joined = 'FROM notifications n JOIN webhooks w ON w.id = n.webhook_id';
const firstOfItsGroup = `n.channel = ? AND n.state = 'pending' AND NOT EXISTS (
  SELECT 1 FROM notifications e
  WHERE e.channel = n.channel AND e.group_key = n.group_key AND e.state = 'pending' AND e.id < n.id)`;

/** @throws Error when the file cannot be opened or is not ours. */
export function openOutbox({
  path,
  maxBytes = 2 ** 30,
  keep = 5000,
  duplicateSeconds = 1800,
}: OutboxOptions): Outbox {
  const db = openDatabase(path);
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`);

  const find = db.prepare('SELECT 1 FROM webhooks WHERE key = ? AND received_at > ?');
  const addWebhook = db.prepare(
    'INSERT INTO webhooks (route, key, received_at, payload) VALUES (?, ?, ?, ?)',
  );
  const addNotification = db.prepare(
    'INSERT INTO notifications (webhook_id, channel, group_key, next_attempt_at) VALUES (?, ?, ?, ?)',
  );
  const forget = db.prepare(`DELETE FROM webhooks WHERE id <= ?
    AND id NOT IN (SELECT webhook_id FROM notifications WHERE state = 'pending')`);
  const next = db.prepare(
    `SELECT ${columns} ${joined} WHERE ${firstOfItsGroup} AND n.next_attempt_at <= ? ORDER BY n.id LIMIT 1`,
  );
  const nextDue = db.prepare(
    `SELECT MIN(n.next_attempt_at) AS at FROM notifications n WHERE ${firstOfItsGroup}`,
  );
  const settle = db.prepare(`UPDATE notifications SET attempts = attempts + 1, state = ?,
    last_attempt_at = ?, next_attempt_at = ?, last_reason = ?, last_detail = ?, finished_at = ? WHERE id = ?`);
  const attempts = db.prepare(
    'SELECT last_attempt_at AS at FROM notifications WHERE channel = ? AND last_attempt_at > ? ORDER BY 1',
  );
  const list = db.prepare(`SELECT ${columns} ${joined} ORDER BY n.id DESC LIMIT ?`);
  const oldest = db.prepare(`SELECT MIN(w.received_at) AS at ${joined} WHERE n.state = 'pending'`);
  const retire =
    db.prepare(`UPDATE notifications SET state = 'dead', last_reason = ?, finished_at = ?
    WHERE state = 'pending' AND channel NOT IN (SELECT value FROM json_each(?))`);
  const removed: DeadReason = 'channel_removed';

  return {
    accept({ route, key, groupKey, payload, channels }, now) {
      return inTransaction(db, () => {
        if (find.get(key, now - duplicateSeconds * 1000)) return 'duplicate';
        const id = Number(addWebhook.run(route, key, now, payload).lastInsertRowid);
        for (const channel of channels) addNotification.run(id, channel, groupKey, now);
        forget.run(id - keep);
        return 'accepted';
      });
    },
    next: (channel, now) => next.get(channel, now) as Notification | undefined,
    nextDueAt: (channel) => readTime(nextDue.get(channel)),
    settle(id, delivery, now, nextAttemptAt) {
      const state = delivery.kind === 'retry' ? 'pending' : delivery.kind;
      const isDone = state !== 'pending';
      const { reason, detail } =
        delivery.kind === 'delivered' ? { reason: null, detail: null } : delivery;
      const finishedAt = isDone ? now : null;
      settle.run(state, now, isDone ? null : nextAttemptAt, reason, detail, finishedAt, id);
    },
    attemptsSince: (channel, since) =>
      attempts.all(channel, since).flatMap((row) => readTime(row) ?? []),
    list: (limit) => list.all(limit) as unknown as Notification[],
    oldestPendingAt: () => readTime(oldest.get()),
    retire: (configured, now) =>
      Number(retire.run(removed, now, JSON.stringify(configured)).changes),
    close: () => db.close(),
  };
}

function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const db = new DatabaseSync(path, { timeout: busyMillis });
    // FULL: what was committed survives a power cut; WAL alone would only survive a crash of the process.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
    const isNew = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
    if (!isNew && version !== schemaVersion) {
      throw new Error(`its version is ${String(version)}, not ${schemaVersion}; move it away`);
    }
    db.exec(schema);
    return db;
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'an error';
    const message = `NOTIFIER_DB: expected an outbox or no file at ${path}, got: ${reason}`;
    throw new Error(message, { cause: error });
  }
}

function inTransaction<Result>(db: DatabaseSync, write: () => Result): Result {
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

function readTime(row: Record<string, unknown> | undefined): number | undefined {
  const at = row?.['at'];
  return typeof at === 'number' ? at : undefined;
}
