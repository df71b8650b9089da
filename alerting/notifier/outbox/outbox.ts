/**
 * Stores webhooks and the notifications for their channels in SQLite. A webhook is written in one transaction with its
 * notifications before Alertmanager gets its 200. A notification stays pending until its channel accepts or refuses it.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DeadReason, Delivery } from '../channels/channel.ts';
import { idempotencyKey } from '../webhook.ts';
import type { Payload } from '../webhook.ts';
import { createAlertHistory } from './alert-history.ts';
import { inTransaction, openDatabase, prepareAll, writeLazily } from './database.ts';
import { queries } from './queries.ts';

export const states = ['pending', 'delivered', 'dead'] as const;
export type State = (typeof states)[number];

/** One channel that a webhook is for. */
export interface Recipient {
  channel: string;
  /** Indexes of its alerts in the payload; null: all of them. */
  alerts: number[] | null;
}

interface Incoming {
  route: string;
  payload: Payload;
  /** `traceparent` belongs to the trace that the delivery attempts join. */
  recipients: readonly (Recipient & { traceparent?: string | null })[];
}

/** Times are milliseconds since 1970. */
export interface Notification {
  id: number;
  route: string;
  channel: string;
  state: State;
  attempts: number;
  /** Of the last failed attempt. */
  lastReason: string | null;
  lastDetail: string | null;
  receivedAt: number;
  /** When it was received or last resent by a person. */
  queuedAt: number;
  nextAttemptAt: number | null;
  finishedAt: number | null;
  /** Contains only the alerts that are for this channel. */
  payload: Payload;
  /** `Delivery.progress` of the last call. */
  progress: string | null;
  /** Id of the first notification of its digest. */
  digestId: number | null;
  traceparent: string | null;
}

/** Those of one call: one, or several in a digest. */
export type Notifications = readonly [Notification, ...Notification[]];

/** A notification that may be sent now. */
export interface Due {
  id: number;
  digestId: number | null;
  /** 1: it must not join a digest. */
  isAlone: 0 | 1;
}

export type Outbox = ReturnType<typeof openOutbox>;

export interface OutboxOptions {
  path: string;
  /** Largest size of the file. Beyond it `accept` throws, and Alertmanager keeps the alert. */
  maxBytes?: number;
  /** Webhooks to keep after their notifications are finished; those with dead ones are kept ten times as long. */
  keep?: number;
  /** The same key within this time is a duplicate; later it is Alertmanager's reminder (`repeat_interval`). */
  duplicateSeconds?: number;
}

const pageBytes = 4096;
/** Old rows are deleted once in so many webhooks, not in every request. */
const forgetEvery = 50;
const removed: DeadReason = 'channel_removed';

/** @throws Error when the file cannot be opened or is not an outbox. */
export function openOutbox(options: OutboxOptions) {
  const { path, maxBytes = 2 ** 30, keep = 5000, duplicateSeconds = 1800 } = options;
  const db = openDatabase(path);
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`);
  const statements = prepareAll(db, queries);
  const alerts = createAlertHistory(db);
  return {
    /** @throws Error when it cannot be written; then nothing is stored. */
    accept: (incoming: Incoming, now: number) =>
      inTransaction(db, () => {
        const key = idempotencyKey(incoming.route, incoming.payload);
        if (statements.findDuplicate.get(key, now - duplicateSeconds * 1000)) return 'duplicate';
        const id = insertWebhook(statements, incoming, key, now);
        // Alerts of the notifier itself are unknown to Prometheus, so there is nothing to reconcile.
        if (incoming.payload.origin !== 'notifier') {
          alerts.record(incoming.payload, incoming.route, now);
        }
        if (id % forgetEvery === 0) {
          statements.forget.run(id - keep, id - 10 * keep);
          alerts.forget(now);
        }
        return 'accepted';
      }),
    ...createQueue(db, statements),
    ...createList(statements),
    alerts,
    calls: createCallLog(db, statements),
    marks: createMarks(statements),
    /**
     * Moves the write-ahead log into the file. Only this connection does, because SQLite before 3.51.3 could lose a transaction
     * when two connections wrote and checkpointed at the same time. https://sqlite.org/wal.html#walresetbug
     */
    checkpoint: () => db.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    close: () => db.close(),
  };
}

type Statements = Record<keyof typeof queries, StatementSync>;

/** What a worker needs of its channel's notifications. */
function createQueue(db: DatabaseSync, statements: Statements) {
  return {
    /** In order of arrival. A notification whose group has an earlier one waiting for a retry is not due. */
    due: (channel: string, now: number) => statements.due.all(channel, now) as unknown as Due[],
    /** When `due` may return something; undefined when nothing is pending. */
    nextDueAt: (channel: string) => timeOf(statements.nextDue.get(channel)),
    /** Makes one digest of these notifications: sent, retried and settled together, across restarts too. */
    joinDigest(ids: readonly number[]): void {
      statements.joinDigest.run(ids[0] ?? null, JSON.stringify(ids));
    },
    /** Queues each notification of a refused digest alone, so that one alert's text does not silence the others. */
    splitDigest(digestId: number, now: number): void {
      statements.splitDigest.run(now, digestId);
    },
    read: (ids: readonly number[]) =>
      statements.read.all(JSON.stringify(ids)).map(readNotification),
    /** Stores the outcome of one call; `nextAttemptAt` applies to a retry only. */
    settle(ids: readonly number[], delivery: Delivery, now: number, nextAttemptAt: number): void {
      const values = settledValues(delivery, now, nextAttemptAt);
      writeLazily(db, () => statements.settle.run(...values, JSON.stringify(ids)));
    },
  };
}

/** What people and metrics see. */
function createList(statements: Statements) {
  return {
    /** Newest first. */
    list: (limit: number, state?: State) =>
      statements.list.all(state ?? null, limit).map(readNotification),
    /** Queues a dead notification again. */
    resend(id: number, now: number): 'pending' | 'not_dead' | 'unknown' {
      const state = statements.state.get(id)?.['state'];
      if (state === undefined) return 'unknown';
      if (state !== 'dead') return 'not_dead';
      statements.resend.run(id, now);
      return 'pending';
    },
    oldestPendingAt: () => timeOf(statements.oldestPending.get()),
    /** Channel → number of dead notifications. */
    deadLetters(): Map<string, number> {
      const rows = statements.countDead.all();
      return new Map(rows.map((row) => [String(row['channel']), Number(row['count'])]));
    },
    /** Marks notifications for channels that are no longer configured as dead; returns how many. */
    retireChannels(configured: readonly string[], now: number): number {
      return Number(statements.retire.run(removed, now, JSON.stringify(configured)).changes);
    },
  };
}

/** When each channel was called and until when it must not be called, so that limits hold across restarts. */
function createCallLog(db: DatabaseSync, statements: Statements) {
  return {
    /** Call this before the call starts, so that it counts even if the process dies during the call. */
    add(channel: string, startedAt: number): void {
      writeLazily(db, () => statements.addCall.run(channel, startedAt));
    },
    /** Starts of the calls after `time`, oldest first. Deletes earlier ones. */
    since(channel: string, time: number): number[] {
      statements.forgetCalls.run(channel, time);
      return statements.callsSince.all(channel, time).map((row) => Number(row['at']));
    },
    /** Allows no call before `until`. */
    block: (channel: string, until: number): void => void statements.block.run(channel, until),
    /** 0 when the channel was never blocked. */
    blockedUntil: (channel: string) => Number(statements.blockedUntil.get(channel)?.['until'] ?? 0),
  };
}

/** Named times in milliseconds since 1970: when the Watchdog last arrived, how far the reconciliation got. */
function createMarks({ getMark, setMark, removeMark }: Statements) {
  return {
    get: (name: string) => getMark.get(name)?.['at'] as number | undefined,
    /** Undefined removes the mark. */
    set(name: string, at: number | undefined): void {
      if (at === undefined) removeMark.run(name);
      else setMark.run(name, at);
    },
  };
}

/** Returns the id of the webhook. */
function insertWebhook(
  { addWebhook, addNotification }: Statements,
  { route, payload, recipients }: Incoming,
  key: string,
  now: number,
): number {
  const id = Number(addWebhook.run(route, key, now, JSON.stringify(payload)).lastInsertRowid);
  for (const { channel, alerts, traceparent = null } of recipients) {
    const indexes = alerts && JSON.stringify(alerts);
    addNotification.run(id, channel, payload.groupKey, now, now, indexes, traceparent);
  }
  return id;
}

/** The values of `queries.settle` in their order, but for the ids. */
function settledValues(delivery: Delivery, now: number, nextAttemptAt: number) {
  const isPending = delivery.kind === 'retry' || delivery.kind === 'partial';
  const isFailure = delivery.kind === 'retry' || delivery.kind === 'dead';
  return [
    delivery.kind === 'partial' ? 0 : 1,
    isPending ? 'pending' : delivery.kind,
    delivery.kind === 'delivered' ? null : (delivery.progress ?? null),
    now,
    isPending ? (delivery.kind === 'partial' ? now : nextAttemptAt) : null,
    isFailure ? delivery.reason : null,
    isFailure ? delivery.detail : null,
    isPending ? null : now,
  ];
}

/** The payload was validated before it was stored, so it is only parsed here. */
function readNotification(row: Record<string, unknown>): Notification {
  const { alerts, ...columns } = row as unknown as Omit<Notification, 'payload'> & {
    payload: string;
    alerts: string | null;
  };
  const payload = JSON.parse(columns.payload) as Payload;
  if (alerts === null) return { ...columns, payload };
  const indexes = new Set(JSON.parse(alerts) as number[]);
  const own = payload.alerts.filter((_, index) => indexes.has(index));
  return { ...columns, payload: { ...payload, alerts: own } };
}

function timeOf(row: Record<string, unknown> | undefined): number | undefined {
  const at = row?.['at'];
  return typeof at === 'number' ? at : undefined;
}
