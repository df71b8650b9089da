/** What was told to whom, from the notifier. Used by GET /api/alerts. */
import { z } from 'zod';
import { askPeer } from './peers.ts';

const shown = 50;

export const Notification = z.object({
  id: z.int(),
  /** When Alertmanager said it, ISO 8601. */
  at: z.string(),
  channel: z.string(),
  state: z.enum(['pending', 'delivered', 'dead']),
  attempts: z.int(),
  /** In the notifier's language. */
  title: z.string(),
  /** Why the last attempt failed. */
  lastReason: z.string().nullable(),
  lastDetail: z.string().nullable(),
});

const Outbox = z.object({
  watchdog: z.object({ lastSeenAt: z.string().nullable() }),
  notifications: z.array(
    Notification.omit({ at: true, title: true }).extend({
      receivedAt: z.string(),
      message: z.object({ title: z.string() }),
    }),
  ),
});

export interface Deliveries {
  /** Newest first. */
  notifications: z.infer<typeof Notification>[];
  /** When the alert that always fires arrived last: the proof that alerts get through. */
  watchdogSeenAt: string | null;
}

/** @throws ChatError `peer_unreachable` */
export async function readDeliveries(
  url: string | undefined,
  token: string | undefined,
): Promise<Deliveries> {
  const { watchdog, notifications } = await askPeer(
    { peer: 'notifier', url, path: `/api/notifications?limit=${shown}`, token },
    Outbox,
  );
  return {
    watchdogSeenAt: watchdog.lastSeenAt,
    notifications: notifications.map(({ receivedAt, message, ...facts }) =>
      Object.assign(facts, { at: receivedAt, title: message.title }),
    ),
  };
}
