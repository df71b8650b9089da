/** Notifications and their deliveries, from the notifier. Used by GET /api/alerts and GET /api/alert-history. */
import { z } from 'zod';
import { Delivery } from './answers.ts';
import { askPeer } from './peers.ts';

/** Enough for a bad night: the notifier combines alerts of one kind. */
const limit = 300;

const NotifiedAlert = z.object({
  status: Delivery.shape.about,
  labels: z.record(z.string(), z.string()),
  summary: z.string(),
  summaryZh: z.string(),
  startsAt: z.string(),
  endsAt: z.string(),
});
export type NotifiedAlert = z.infer<typeof NotifiedAlert>;

const StoredNotification = Delivery.omit({ about: true, at: true }).extend({
  receivedAt: z.string(),
  finishedAt: z.string().nullable(),
  alerts: z.array(NotifiedAlert),
});
export type StoredNotification = z.infer<typeof StoredNotification>;

const Outbox = z.object({
  watchdog: z.object({ lastSeenAt: z.string().nullable() }),
  notifications: z.array(StoredNotification),
});

type Ask = (limit: number) => Promise<z.infer<typeof Outbox>>;

/** When the notifier last received the Watchdog. @throws ChatError `peer_unreachable` */
export async function readWatchdog(
  url: string | undefined,
  token: string | undefined,
): Promise<string | null> {
  return (await createAsk(url, token)(1)).watchdog.lastSeenAt;
}

/** Newest first. @throws ChatError `peer_unreachable` */
export async function readNotifications(
  url: string | undefined,
  token: string | undefined,
): Promise<StoredNotification[]> {
  return (await createAsk(url, token)(limit)).notifications;
}

function createAsk(url: string | undefined, token: string | undefined): Ask {
  return (limit) =>
    askPeer({ peer: 'notifier', url, path: `/api/notifications?limit=${limit}`, token }, Outbox);
}
