/** The SQL of `outbox.ts`: webhooks, the notifications of each webhook for its channels, calls, and marks. */
import type { StatementSync } from 'node:sqlite';

/** Maximum number of notifications in one digest. */
const maxDue = 2000;

const columns = `n.id, w.route, n.channel, n.state, n.attempts, n.last_reason AS lastReason,
  n.last_detail AS lastDetail, w.received_at AS receivedAt, n.queued_at AS queuedAt,
  n.next_attempt_at AS nextAttemptAt, n.finished_at AS finishedAt, w.id AS webhookId, n.alerts, n.progress,
  n.digest_id AS digestId, n.traceparent, n.refusals, n.first_refused_at AS firstRefusedAt,
  n.event_at AS eventAt`;
const joined = 'FROM notifications n JOIN webhooks w ON w.id = n.webhook_id';
const inIds = 'id IN (SELECT value FROM json_each(?))';
const earlierOfGroup = `SELECT 1 FROM notifications e
  WHERE e.channel = n.channel AND e.group_key = n.group_key AND e.state = 'pending' AND e.id < n.id`;
/** Whether a notification of another group about the same alert is still pending. */
const isBlocked = (row: string): string =>
  `(${row}.waits_for IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(${row}.waits_for) b
    JOIN notifications o ON o.id = b.value WHERE o.state = 'pending'))`;

/** `now` is ?2. A wait that is longer than its own length means that the clock was set back; then it is over. */
const isWaiting = (row: string): string =>
  `(${row}.next_attempt_at > ?2 AND ${row}.next_attempt_at <= ?2 + ${row}.wait_millis)`;

export const queries = {
  addWebhook: 'INSERT INTO webhooks (route, received_at, payload) VALUES (?, ?, ?)',
  addNotification: `INSERT INTO notifications
    (webhook_id, channel, group_key, next_attempt_at, wait_millis, queued_at, alerts, waits_for, event_at)
    VALUES (?1, ?2, ?3, ?4, 0, ?4, ?5, ?6, ?7)`,
  payloadOf: 'SELECT payload FROM webhooks WHERE id = ?',
  groupOf: 'SELECT group_key AS groupKey FROM notifications WHERE id = ?',
  setTraceparent: 'UPDATE notifications SET traceparent = ? WHERE id = ?',
  // Webhooks up to the first id, except webhooks with pending notifications, or after the second id with dead notifications.
  forget: `DELETE FROM webhooks WHERE id <= ? AND NOT EXISTS (
    SELECT 1 FROM notifications WHERE webhook_id = webhooks.id AND (state = 'pending' OR (state = 'dead' AND webhook_id > ?)))`,

  due: `SELECT n.id, n.digest_id AS digestId, n.is_alone AS isAlone FROM notifications n
    WHERE n.channel = ?1 AND n.state = 'pending' AND NOT ${isWaiting('n')} AND NOT ${isBlocked('n')}
      AND NOT EXISTS (${earlierOfGroup} AND (${isWaiting('e')} OR ${isBlocked('e')})) ORDER BY n.id LIMIT ${maxDue}`,
  nextDue: `SELECT MIN(n.next_attempt_at) AS at FROM notifications n
    WHERE n.channel = ? AND n.state = 'pending' AND NOT ${isBlocked('n')} AND NOT EXISTS (${earlierOfGroup})`,
  joinDigest: `UPDATE notifications SET digest_id = ?, progress = NULL, refusals = 0 WHERE ${inIds}`,
  splitDigest: `UPDATE notifications SET state = 'pending', digest_id = ?, is_alone = ?, progress = NULL, refusals = 0,
    finished_at = NULL, next_attempt_at = ?, wait_millis = 0 WHERE ${inIds}`,
  settle: `UPDATE notifications SET attempts = attempts + ?, refusals = refusals + ?,
    first_refused_at = COALESCE(first_refused_at, ?), state = ?, progress = COALESCE(?, progress),
    last_attempt_at = ?, next_attempt_at = ?, wait_millis = ?, last_reason = ?, last_detail = ?, finished_at = ? WHERE ${inIds}`,

  deliveredSince:
    "SELECT 1 FROM notifications WHERE channel = ? AND state = 'delivered' AND finished_at >= ? LIMIT 1",
  read: `SELECT ${columns} ${joined} WHERE n.${inIds} ORDER BY n.id`,
  list: `SELECT ${columns} ${joined} WHERE ?1 IS NULL OR n.state = ?1 ORDER BY n.id DESC LIMIT ?2`,
  state: 'SELECT state FROM notifications WHERE id = ?',
  resend: `UPDATE notifications SET state = 'pending', finished_at = NULL, next_attempt_at = ?2, wait_millis = 0, queued_at = ?2,
    progress = iif(digest_id IS NULL, progress, NULL), digest_id = NULL, is_alone = 1, refusals = 0,
    first_refused_at = NULL WHERE id = ?1`,
  oldestPending: "SELECT MIN(queued_at) AS at FROM notifications WHERE state = 'pending'",
  countDead:
    "SELECT channel, COUNT(*) AS count FROM notifications WHERE state = 'dead' GROUP BY channel",
  retire: `UPDATE notifications SET state = 'dead', last_reason = ?, finished_at = ?
    WHERE state = 'pending' AND channel NOT IN (SELECT value FROM json_each(?))`,

  addCall: 'INSERT INTO calls (channel, at) VALUES (?, ?)',
  forgetCalls: 'DELETE FROM calls WHERE channel = ? AND at < ?',
  callsBetween: 'SELECT at FROM calls WHERE channel = ? AND at > ? AND at <= ? ORDER BY at',
  block: 'INSERT OR REPLACE INTO pauses (channel, until, millis) VALUES (?, ?, ?)',
  blockedUntil: 'SELECT until, millis FROM pauses WHERE channel = ?',
  getMark: 'SELECT at FROM marks WHERE name = ?',
  setMark: 'INSERT OR REPLACE INTO marks (name, at) VALUES (?, ?)',
  removeMark: 'DELETE FROM marks WHERE name = ?',
};

export type Statements = Record<keyof typeof queries, StatementSync>;
