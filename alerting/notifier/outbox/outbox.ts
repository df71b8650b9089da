/**
 * What is owed to each channel, on disk: a webhook and its notifications are written in one transaction before
 * Alertmanager hears 200, and leave the list only when a channel has them. Used by the app and the workers.
 */
import { inTransaction, openDatabase, writeLazily } from './database.ts';
import type { DeadReason, Delivery } from '../channels/delivery.ts';
import { createHeard } from './heard.ts';
import type { Heard } from './heard.ts';
import { idempotencyKey } from '../webhook.ts';
import type { Payload } from '../webhook.ts';

export const states = ['pending', 'delivered', 'dead'] as const;
export type State = (typeof states)[number];

/** For one channel: the places of its alerts in the payload, or null for all of them. */
export interface Recipient {
  channel: string;
  alerts: number[] | null;
}

interface Incoming {
  route: string;
  payload: Payload;
  recipients: readonly Recipient[];
  /** Called once for each notification that is kept: the trace that its attempts belong to. */
  trace?: (channel: string) => string | null;
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
  /** Received, or sent again by a person. */
  queuedAt: number;
  nextAttemptAt: number | null;
  finishedAt: number | null;
  payload: string;
  /** JSON: places of its alerts in the payload; null is all. */
  alerts: string | null;
  /** The channel's own note of what is through. */
  progress: string | null;
  /** The first notification of the digest that it is told in. */
  digestId: number | null;
  traceparent: string | null;
}

/** A notification that may be told now. */
interface Due {
  id: number;
  digestId: number | null;
  isAlone: 0 | 1;
}

export interface Outbox {
  /** @throws Error when it cannot be written; nothing is kept then. */
  accept(incoming: Incoming, now: number): 'accepted' | 'duplicate';
  /** In the order they came, each only when the earlier ones of its group are due, too. */
  due(channel: string, now: number): Due[];
  /** When `due` may have something, or undefined when nothing is pending. */
  nextDueAt(channel: string): number | undefined;
  /** Makes one digest of these, across restarts: told, tried again and settled together. */
  join(ids: readonly number[]): void;
  /** Every one of a digest that was refused is told by itself: one alert's words must not silence the others. */
  part(digestId: number, now: number): void;
  read(ids: readonly number[]): Notification[];
  /** Before a robot is called: its rate is kept even when we die during the call. */
  noteCall(channel: string, now: number): void;
  /** Notes what became of one call; `nextAttemptAt` counts for a retry only. */
  settle(ids: readonly number[], delivery: Delivery, now: number, nextAttemptAt: number): void;
  /** When the robot was called since then, oldest first. */
  callsSince(channel: string, since: number): number[];
  /** The robot is left alone until then; 0 when it was never blocked. */
  pausedUntil(channel: string): number;
  pause(channel: string, until: number): void;
  /** Newest first. */
  list(limit: number, state?: State): Notification[];
  /** A dead notification is owed again. */
  resend(id: number, now: number): 'pending' | 'not_dead' | 'unknown';
  oldestPendingAt(): number | undefined;
  deadLetters(): Map<string, number>;
  /** Ends what waits for channels that are no longer configured; answers how many. */
  retire(configured: readonly string[], now: number): number;
  heard: Heard;
  /**
   * Moves what is in the log into the file. From this connection alone: before 3.51.3 SQLite could lose a transaction
   * when two of them wrote and checkpointed at the same time. https://sqlite.org/wal.html#walresetbug
   */
  checkpoint(): void;
  close(): void;
}

export interface OutboxOptions {
  path: string;
  /** The file grows no larger; past it `accept` throws and Alertmanager keeps the alert. */
  maxBytes?: number;
  /** Finished webhooks that are kept to be looked at; dead letters ten times as long. */
  keep?: number;
  /** The same key within this time is the same news; later it is Alertmanager's reminder (`repeat_interval`). */
  duplicateSeconds?: number;
}

const pageBytes = 4096;
/** Webhooks between two looks for what can be forgotten: not every request pays for it. */
const forgetEvery = 50;
/** As many as one digest may stand for. */
const maxDue = 2000;

const columns = `n.id, w.route, n.channel, n.state, n.attempts, n.last_reason AS lastReason,
  n.last_detail AS lastDetail, w.received_at AS receivedAt, n.queued_at AS queuedAt,
  n.next_attempt_at AS nextAttemptAt, n.finished_at AS finishedAt, w.payload, n.alerts, n.progress,
  n.digest_id AS digestId, n.traceparent`;
const joined = 'FROM notifications n JOIN webhooks w ON w.id = n.webhook_id';
const ofIds = 'id IN (SELECT value FROM json_each(?))';
const earlierOfItsGroup = `SELECT 1 FROM notifications e
  WHERE e.channel = n.channel AND e.group_key = n.group_key AND e.state = 'pending' AND e.id < n.id`;

/** @throws Error when the file cannot be opened or is not ours. */
export function openOutbox({
  path,
  maxBytes = 2 ** 30,
  keep = 5000,
  duplicateSeconds = 1800,
}: OutboxOptions): Outbox {
  const db = openDatabase(path);
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`);
  const heard = createHeard(db);

  const find = db.prepare('SELECT 1 FROM webhooks WHERE key = ? AND received_at > ?');
  const addWebhook = db.prepare(
    'INSERT INTO webhooks (route, key, received_at, payload) VALUES (?, ?, ?, ?)',
  );
  const addNotification = db.prepare(`INSERT INTO notifications
    (webhook_id, channel, group_key, next_attempt_at, queued_at, alerts, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const forget = db.prepare(`DELETE FROM webhooks WHERE id <= ? AND NOT EXISTS (
    SELECT 1 FROM notifications WHERE webhook_id = webhooks.id AND (state = 'pending' OR (state = 'dead' AND webhook_id > ?)))`);
  const due =
    db.prepare(`SELECT n.id, n.digest_id AS digestId, n.is_alone AS isAlone FROM notifications n
    WHERE n.channel = ?1 AND n.state = 'pending' AND n.next_attempt_at <= ?2
      AND NOT EXISTS (${earlierOfItsGroup} AND e.next_attempt_at > ?2) ORDER BY n.id LIMIT ${maxDue}`);
  const nextDue = db.prepare(`SELECT MIN(n.next_attempt_at) AS at FROM notifications n
    WHERE n.channel = ? AND n.state = 'pending' AND NOT EXISTS (${earlierOfItsGroup})`);
  const join = db.prepare(`UPDATE notifications SET digest_id = ?, progress = NULL WHERE ${ofIds}`);
  const part =
    db.prepare(`UPDATE notifications SET state = 'pending', digest_id = NULL, is_alone = 1,
    progress = NULL, finished_at = NULL, next_attempt_at = ? WHERE digest_id = ?`);
  const read = db.prepare(`SELECT ${columns} ${joined} WHERE n.${ofIds} ORDER BY n.id`);
  const settle =
    db.prepare(`UPDATE notifications SET attempts = attempts + ?, state = ?, progress = COALESCE(?, progress),
    last_attempt_at = ?, next_attempt_at = ?, last_reason = ?, last_detail = ?, finished_at = ? WHERE ${ofIds}`);
  const addCall = db.prepare('INSERT INTO calls (channel, at) VALUES (?, ?)');
  const forgetCalls = db.prepare('DELETE FROM calls WHERE channel = ? AND at < ?');
  const calls = db.prepare('SELECT at FROM calls WHERE channel = ? AND at > ? ORDER BY at');
  const pausedUntil = db.prepare('SELECT until AS at FROM pauses WHERE channel = ?');
  const pause = db.prepare('INSERT OR REPLACE INTO pauses (channel, until) VALUES (?, ?)');
  const list = db.prepare(
    `SELECT ${columns} ${joined} WHERE ?1 IS NULL OR n.state = ?1 ORDER BY n.id DESC LIMIT ?2`,
  );
  const stateOf = db.prepare('SELECT state FROM notifications WHERE id = ?');
  const resend =
    db.prepare(`UPDATE notifications SET state = 'pending', finished_at = NULL, next_attempt_at = ?2,
    queued_at = ?2, progress = iif(digest_id IS NULL, progress, NULL), digest_id = NULL, is_alone = 1 WHERE id = ?1`);
  const oldest = db.prepare(
    "SELECT MIN(queued_at) AS at FROM notifications WHERE state = 'pending'",
  );
  const dead = db.prepare(
    "SELECT channel, COUNT(*) AS count FROM notifications WHERE state = 'dead' GROUP BY channel",
  );
  const retire =
    db.prepare(`UPDATE notifications SET state = 'dead', last_reason = ?, finished_at = ?
    WHERE state = 'pending' AND channel NOT IN (SELECT value FROM json_each(?))`);
  const removed: DeadReason = 'channel_removed';

  return {
    accept({ route, payload, recipients, trace }, now) {
      const key = idempotencyKey(route, payload);
      return inTransaction(db, () => {
        if (find.get(key, now - duplicateSeconds * 1000)) return 'duplicate';
        const id = Number(addWebhook.run(route, key, now, JSON.stringify(payload)).lastInsertRowid);
        for (const { channel, alerts } of recipients) {
          const places = alerts && JSON.stringify(alerts);
          const traceparent = trace?.(channel) ?? null;
          addNotification.run(id, channel, payload.groupKey, now, now, places, traceparent);
        }
        // What the notifier says of itself is nobody else's to know.
        if (payload.origin !== 'notifier') heard.note(payload, route, now);
        if (id % forgetEvery === 0) {
          forget.run(id - keep, id - 10 * keep);
          heard.forget(now);
        }
        return 'accepted';
      });
    },
    due: (channel, now) => due.all(channel, now) as unknown as Due[],
    nextDueAt: (channel) => readTime(nextDue.get(channel)),
    join: (ids) => void join.run(ids[0] ?? null, JSON.stringify(ids)),
    part: (digestId, now) => void part.run(now, digestId),
    read: (ids) => read.all(JSON.stringify(ids)) as unknown as Notification[],
    noteCall: (channel, now) => writeLazily(db, () => addCall.run(channel, now)),
    settle(ids, delivery, now, nextAttemptAt) {
      const isPending = delivery.kind === 'retry' || delivery.kind === 'partly';
      const state = isPending ? 'pending' : delivery.kind;
      const isFailure = delivery.kind === 'retry' || delivery.kind === 'dead';
      const values = [
        delivery.kind === 'partly' ? 0 : 1,
        state,
        delivery.kind === 'delivered' ? null : (delivery.progress ?? null),
        now,
        isPending ? (delivery.kind === 'partly' ? now : nextAttemptAt) : null,
        isFailure ? delivery.reason : null,
        isFailure ? delivery.detail : null,
        isPending ? null : now,
        JSON.stringify(ids),
      ];
      writeLazily(db, () => settle.run(...values));
    },
    callsSince(channel, since) {
      forgetCalls.run(channel, since);
      return calls.all(channel, since).flatMap((row) => readTime(row) ?? []);
    },
    pausedUntil: (channel) => readTime(pausedUntil.get(channel)) ?? 0,
    pause: (channel, until) => void pause.run(channel, until),
    list: (limit, state) => list.all(state ?? null, limit) as unknown as Notification[],
    resend(id, now) {
      const state = stateOf.get(id)?.['state'];
      if (state === undefined) return 'unknown';
      if (state !== 'dead') return 'not_dead';
      resend.run(id, now);
      return 'pending';
    },
    oldestPendingAt: () => readTime(oldest.get()),
    deadLetters: () =>
      new Map(dead.all().map((row) => [String(row['channel']), Number(row['count'])])),
    retire: (configured, now) =>
      Number(retire.run(removed, now, JSON.stringify(configured)).changes),
    heard,
    checkpoint: () => db.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    close: () => db.close(),
  };
}

function readTime(row: Record<string, unknown> | undefined): number | undefined {
  const at = row?.['at'];
  return typeof at === 'number' ? at : undefined;
}
