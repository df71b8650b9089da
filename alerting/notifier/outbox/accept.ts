/** Stores a webhook and a notification for each channel to which it has news, in one transaction. Used by `outbox.ts`. */
import type { DatabaseSync } from 'node:sqlite';
import { readTime } from '../webhook.ts';
import type { Payload } from '../webhook.ts';
import type { AlertHistory } from './alert-history.ts';
import { inTransaction } from './database.ts';
import type { Statements } from './queries.ts';
import { isNews } from './told.ts';
import type { ToldTable } from './told.ts';

/** One channel that receives a webhook. */
export interface Recipient {
  channel: string;
  /** Indexes of the channel's alerts in the payload; null: all alerts. */
  alerts: number[] | null;
}

interface Incoming {
  route: string;
  payload: Payload;
  recipients: readonly Recipient[];
}

/** A notification that was stored. */
export interface Stored {
  id: number;
  channel: string;
  /** Contains only the alerts that are news to this channel. */
  payload: Payload;
}

interface Parts {
  db: DatabaseSync;
  statements: Statements;
  alerts: AlertHistory;
  told: ToldTable;
  keep: number;
}

/** Old rows are deleted once per this number of webhooks, not in every request. */
const forgetEvery = 50;

export function createAccept({ db, statements, alerts, told, keep }: Parts) {
  /** The alerts that are news to a channel, and the notifications about the same alerts that it still waits for. */
  function findNews({ channel, alerts: own }: Recipient, payload: Payload, now: number) {
    const chosen = own && new Set(own);
    const given = payload.alerts.flatMap((alert, index) => {
      if (chosen?.has(index) === false) return [];
      return [{ index, alert, last: told.get(channel, alert) }];
    });
    const news = given.filter(({ alert, last }) => isNews(alert, last, now));
    const pending = news.flatMap(({ last }) => (last?.isPending ? last.notificationId : []));
    // Notifications of one group are ordered anyway.
    const waitsFor = [...new Set(pending)].filter(
      (id) => statements.groupOf.get(id)?.['groupKey'] !== payload.groupKey,
    );
    return { channel, news, waitsFor };
  }

  function insert(
    webhookId: number,
    payload: Payload,
    { channel, news, waitsFor }: ReturnType<typeof findNews>,
    now: number,
  ): Stored {
    const isWhole = news.length === payload.alerts.length;
    const indexes = isWhole ? null : JSON.stringify(news.map(({ index }) => index));
    const waits = waitsFor.length === 0 ? null : JSON.stringify(waitsFor);
    const { groupKey } = payload;
    const { lastInsertRowid } = statements.addNotification.run(
      webhookId,
      channel,
      groupKey,
      now,
      indexes,
      waits,
      eventOf(news, now),
    );
    const id = Number(lastInsertRowid);
    for (const { alert } of news) told.set(channel, alert, id, now);
    return { id, channel, payload: { ...payload, alerts: news.map(({ alert }) => alert) } };
  }

  /** The start of the oldest state that the channel does not know yet. */
  function eventOf(news: ReturnType<typeof findNews>['news'], now: number): number | null {
    const times = news.flatMap(({ alert, last }) => {
      if (last?.status === alert.status) return [];
      return readTime(alert.status === 'firing' ? alert.startsAt : alert.endsAt) ?? now;
    });
    return times.length === 0 ? null : Math.min(now, ...times);
  }

  function forget(webhookId: number, now: number): void {
    if (webhookId % forgetEvery !== 0) return;
    statements.forget.run(webhookId - keep, webhookId - 10 * keep);
    alerts.forget(now);
    told.forget(now);
  }

  /** @throws Error if the file cannot be written; then nothing is stored. */
  return ({ route, payload, recipients }: Incoming, now: number): Stored[] =>
    inTransaction(db, () => {
      // Alerts of the notifier itself are unknown to Prometheus, so there is nothing to reconcile.
      if (payload.origin !== 'notifier') alerts.record(payload, route, now);
      const found = recipients
        .map((recipient) => findNews(recipient, payload, now))
        .filter(({ news }) => news.length > 0);
      if (found.length === 0) return [];
      const added = statements.addWebhook.run(route, now, JSON.stringify(payload));
      const id = Number(added.lastInsertRowid);
      const stored = found.map((one) => insert(id, payload, one, now));
      forget(id, now);
      return stored;
    });
}
