/** What has been promised to Alertmanager and is not delivered yet; on disk before the promise is given. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Message } from './message.ts';

export interface Notification {
  id: number;
  channel: string;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  /** Why it is not delivered yet, or dead. */
  reason: string | null;
  createdAt: number;
  nextAttemptAt: number;
  title: string;
  text: string;
}

export interface Outbox {
  /** One notification for each channel; false where this key is there already. @throws what SQLite throws. */
  add(key: string, channels: readonly string[], message: Message, at: number): boolean;
  /** The oldest pending one of a channel, due or not: later ones wait, so that firing stays before resolved. */
  next(channel: string): Notification | undefined;
  settle(id: number, state: 'delivered' | 'dead', reason: string | null): void;
  postpone(id: number, reason: string, nextAttemptAt: number): void;
  list(limit: number): Notification[];
  /** Epoch milliseconds of the oldest pending one. */
  oldestPendingAt(): number | undefined;
  close(): void;
}

const columns = `id, channel, state, attempts, reason, created_at AS createdAt,
  next_attempt_at AS nextAttemptAt, title, text`;

export function openOutbox(file: string): Outbox {
  mkdirSync(path.dirname(file), { recursive: true });
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 2000;
    CREATE TABLE IF NOT EXISTS notifications (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL,
      channel TEXT NOT NULL,
      state TEXT NOT NULL DEFAULT 'pending',
      attempts INTEGER NOT NULL DEFAULT 0,
      reason TEXT,
      created_at INTEGER NOT NULL,
      next_attempt_at INTEGER NOT NULL,
      title TEXT NOT NULL,
      text TEXT NOT NULL,
      UNIQUE (key, channel)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS pending ON notifications (channel, id) WHERE state = 'pending';
  `);
  const insert =
    db.prepare(`INSERT INTO notifications (key, channel, created_at, next_attempt_at, title, text)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key, channel) DO NOTHING`);
  const first = db.prepare(`SELECT ${columns} FROM notifications
    WHERE channel = ? AND state = 'pending' ORDER BY id LIMIT 1`);
  const settle = db.prepare(`UPDATE notifications
    SET state = ?, reason = ?, attempts = attempts + 1 WHERE id = ?`);
  const postpone = db.prepare(`UPDATE notifications
    SET reason = ?, next_attempt_at = ?, attempts = attempts + 1 WHERE id = ?`);
  const newest = db.prepare(`SELECT ${columns} FROM notifications ORDER BY id DESC LIMIT ?`);
  const oldest = db.prepare(
    `SELECT min(created_at) AS at FROM notifications WHERE state = 'pending'`,
  );
  return {
    add(key, channels, { title, text }, at) {
      const time = Math.round(at);
      db.exec('BEGIN IMMEDIATE');
      try {
        const added = channels.map(
          (channel) => insert.run(key, channel, time, time, title, text).changes,
        );
        db.exec('COMMIT');
        return added.some((changes) => changes > 0);
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
    next: (channel) => first.get(channel) as Notification | undefined,
    settle: (id, state, reason) => void settle.run(state, reason, id),
    postpone: (id, reason, at) => void postpone.run(reason, Math.round(at), id),
    list: (limit) => newest.all(limit) as unknown as Notification[],
    oldestPendingAt: () => (oldest.get() as { at: number | null }).at ?? undefined,
    close: () => db.close(),
  };
}
