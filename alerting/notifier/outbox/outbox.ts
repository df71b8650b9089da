/**
 * Stores webhooks and the notifications for their channels in SQLite. A webhook is written in one transaction with its
 * notifications before Alertmanager gets its 200. A notification stays pending until its channel accepts or refuses it.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { DeadReason, Delivery } from '../channels/channel.ts';
import type { Payload } from '../webhook.ts';
import { createAccept } from './accept.ts';
import { createAlertHistory } from './alert-history.ts';
import { inTransaction, openDatabase, prepareAll, writeLazily } from './database.ts';
import { queries } from './queries.ts';
import type { Statements } from './queries.ts';
import { createPayloads } from './payloads.ts';
import type { Payloads } from './payloads.ts';
import { createTold } from './told.ts';
import type { ToldTable } from './told.ts';

export const states = ['pending', 'delivered', 'dead'] as const;
export type State = (typeof states)[number];

/** Times are milliseconds since 1970. */
export interface Notification {
  id: number;
  route: string;
  channel: string;
  state: State;
  attempts: number;
  /** Reason of the last failed attempt. */
  lastReason: string | null;
  lastDetail: string | null;
  receivedAt: number;
  /** Time at which the notification was received, or last resent by a person. */
  queuedAt: number;
  nextAttemptAt: number | null;
  /** How often the receiver refused this content with an error that may be about it. */
  refusals: number;
  firstRefusedAt: number | null;
  /** When the oldest of its new states began; null if all its alerts are reminders. */
  eventAt: number | null;
  finishedAt: number | null;
  /** Contains only the alerts that are for this channel. */
  payload: Payload;
  /** `Delivery.progress` of the last call. */
  progress: string | null;
  /** Id of the first notification of its digest. */
  digestId: number | null;
  traceparent: string | null;
}

/** The notifications of one call: one, or several in a digest. */
export type Notifications = readonly [Notification, ...Notification[]];

/** A notification that may be sent now. */
export interface Due {
  id: number;
  digestId: number | null;
  /** 1: the notification must be sent alone, not in a digest. */
  isAlone: 0 | 1;
}

export type Outbox = ReturnType<typeof openOutbox>;

export interface OutboxOptions {
  path: string;
  /** Largest size of the file. Beyond it `accept` throws, and Alertmanager keeps the alert. */
  maxBytes?: number;
  /** Number of webhooks to keep after their notifications have ended; ten times as many if they have dead notifications. */
  keep?: number;
}

const pageBytes = 4096;
const removed: DeadReason = 'channel_removed';

/** @throws Error when the file cannot be opened or is not an outbox. */
export function openOutbox(options: OutboxOptions) {
  const { path, maxBytes = 2 ** 30, keep = 5000 } = options;
  const db = openDatabase(path);
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`);
  const statements = prepareAll(db, queries);
  const alerts = createAlertHistory(db);
  const told = createTold(db);
  const payloads = createPayloads(statements);
  return {
    accept: createAccept({ db, statements, alerts, told, keep }),
    /** Stores the trace that the delivery attempts of each notification join. */
    setTraceparents(traced: readonly { id: number; traceparent: string | null }[]): void {
      writeLazily(db, () => {
        for (const { id, traceparent } of traced) statements.setTraceparent.run(traceparent, id);
      });
    },
    ...createQueue(db, statements, { told, payloads }),
    ...createList(db, statements, { told, payloads }),
    alerts,
    calls: createCallLog(db, statements),
    marks: createMarks(statements),
    /**
     * Moves the write-ahead log into the file. Only this connection may do so, because SQLite before 3.51.3 could lose a transaction
     * when two connections wrote and checkpointed at the same time. https://sqlite.org/wal.html#walresetbug
     */
    checkpoint: () => db.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    close: () => db.close(),
  };
}

interface Tables {
  told: ToldTable;
  payloads: Payloads;
}

/** A worker's access to the notifications of its channel. */
function createQueue(db: DatabaseSync, statements: Statements, { told, payloads }: Tables) {
  /**
   * Queues each half of a refused digest by itself, so that the text of one alert does not prevent the delivery of the others: some
   * calls find it among many.
   */
  function splitDigest(ids: readonly number[], now: number): void {
    const middle = Math.ceil(ids.length / 2);
    for (const half of [ids.slice(0, middle), ids.slice(middle)]) {
      const isAlone = half.length === 1 ? 1 : 0;
      const digestId = isAlone ? null : (half[0] ?? null);
      statements.splitDigest.run(digestId, isAlone, now, JSON.stringify(half));
    }
  }

  return {
    /** Notifications to send now, in order of arrival. A notification is not due while an earlier one of its group waits for a retry. */
    due: (channel: string, now: number) => statements.due.all(channel, now) as unknown as Due[],
    /** The earliest time at which `due` may return a notification; undefined if none is pending. */
    nextDueAt: (channel: string) => timeOf(statements.nextDue.get(channel)),
    /** Combines these notifications into one digest, which is sent, retried and settled as a whole, also after a restart. */
    joinDigest(ids: readonly number[]): void {
      statements.joinDigest.run(ids[0] ?? null, JSON.stringify(ids));
    },
    /** Whether the channel has accepted a notification at or after `time`. */
    hasDeliveredSince: (channel: string, time: number) =>
      statements.deliveredSince.get(channel, time) !== undefined,
    read: (ids: readonly number[]) =>
      statements.read.all(JSON.stringify(ids)).map((row) => readNotification(row, payloads.get)),
    /**
     * Stores the outcome of one call in one transaction; `nextAttemptAt` applies to a retry only. `isSplit`: the halves of the digest are
     * sent by themselves, so they stay pending.
     */
    settle(
      ids: readonly number[],
      delivery: Delivery,
      now: number,
      nextAttemptAt: number,
      isSplit = false,
    ): void {
      const values = settledValues(delivery, now, nextAttemptAt);
      const write = (): void => {
        statements.settle.run(...values, JSON.stringify(ids));
        if (isSplit) splitDigest(ids, now);
        else if (delivery.kind === 'delivered') told.delivered(ids, now);
        else if (delivery.kind === 'dead') told.dead(ids);
      };
      writeLazily(db, () => inTransaction(db, write));
    },
  };
}

/** Access for the HTTP API and the metrics. */
function createList(db: DatabaseSync, statements: Statements, { told, payloads }: Tables) {
  return {
    /** Newest first. */
    list: (limit: number, state?: State) =>
      statements.list.all(state ?? null, limit).map((row) => readNotification(row, payloads.peek)),
    /** Queues a dead notification again. */
    resend(id: number, now: number): 'pending' | 'not_dead' | 'unknown' {
      const state = statements.state.get(id)?.['state'];
      if (state === undefined) return 'unknown';
      if (state !== 'dead') return 'not_dead';
      inTransaction(db, () => {
        statements.resend.run(id, now);
        for (const row of statements.read.all(JSON.stringify([id]))) {
          const { channel, payload } = readNotification(row, payloads.get);
          // A later notification may have told the channel more.
          const forgotten = payload.alerts.filter(
            (alert) => told.get(channel, alert) === undefined,
          );
          for (const alert of forgotten) told.set(channel, alert, id, now);
        }
      });
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
      told.retire(configured);
      return Number(statements.retire.run(removed, now, JSON.stringify(configured)).changes);
    },
  };
}

/** Stores the calls and the block of each channel, so that limits also apply after a restart. */
function createCallLog(db: DatabaseSync, statements: Statements) {
  return {
    /** Records a call. Must be called before the call starts, so that the call counts even if the process exits during it. */
    add(channel: string, startedAt: number): void {
      writeLazily(db, () => statements.addCall.run(channel, startedAt));
    },
    /**
     * Start times of the calls between `time` and `now`, oldest first. Deletes earlier calls. Later calls were recorded before the
     * clock was set back and do not count.
     */
    since(channel: string, time: number, now: number): number[] {
      statements.forgetCalls.run(channel, time);
      return statements.callsBetween.all(channel, time, now).map((row) => Number(row['at']));
    },
    /** Allows no call for `millis`. */
    block: (channel: string, now: number, millis: number): void =>
      void statements.block.run(channel, now + millis, millis),
    /** Remaining milliseconds of the last block, at most its length. */
    blockedFor(channel: string, now: number): number {
      const { until = 0, millis = 0 } = statements.blockedUntil.get(channel) ?? {};
      return Math.min(Math.max(0, Number(until) - now), Number(millis));
    },
  };
}

/** Named times in milliseconds since 1970: last arrival of the Watchdog, time up to which alerts have been reconciled. */
function createMarks({ getMark, setMark, removeMark }: Statements) {
  return {
    get: (name: string) => getMark.get(name)?.['at'] as number | undefined,
    /** Stores the mark; undefined deletes it. */
    set(name: string, at: number | undefined): void {
      if (at === undefined) removeMark.run(name);
      else setMark.run(name, at);
    },
  };
}

/** The parameters of `queries.settle` in their order, without the ids. */
function settledValues(delivery: Delivery, now: number, nextAttemptAt: number) {
  const isPending = delivery.kind === 'retry' || delivery.kind === 'partial';
  const isRefusal = delivery.kind === 'retry' && delivery.isRefusal === true;
  const isFailure = delivery.kind === 'retry' || delivery.kind === 'dead';
  return [
    delivery.kind === 'partial' ? 0 : 1,
    isRefusal ? 1 : 0,
    isRefusal ? now : null,
    isPending ? 'pending' : delivery.kind,
    delivery.kind === 'delivered' ? null : (delivery.progress ?? null),
    now,
    isPending ? (delivery.kind === 'partial' ? now : nextAttemptAt) : null,
    delivery.kind === 'retry' ? nextAttemptAt - now : 0,
    isFailure ? delivery.reason : null,
    isFailure ? delivery.detail : null,
    isPending ? null : now,
  ];
}

function readNotification(
  row: Record<string, unknown>,
  payloadOf: (webhookId: number) => Payload,
): Notification {
  const { webhookId, alerts, ...columns } = row as unknown as Omit<Notification, 'payload'> & {
    webhookId: number;
    alerts: string | null;
  };
  const payload = payloadOf(webhookId);
  if (alerts === null) return { ...columns, payload };
  const indexes = new Set(JSON.parse(alerts) as number[]);
  const own = payload.alerts.filter((_, index) => indexes.has(index));
  return { ...columns, payload: { ...payload, alerts: own } };
}

function timeOf(row: Record<string, unknown> | undefined): number | undefined {
  const at = row?.['at'];
  return typeof at === 'number' ? at : undefined;
}
