/** Recent notifications and their deliveries, from the notifier. Used by GET /api/alerts. */
import { z } from 'zod';
import { Notification, type AlertList } from './answers.ts';
import { askPeer } from './peers.ts';

const limit = 50;

const Outbox = z.object({
  watchdog: z.object({ lastSeenAt: z.string().nullable() }),
  notifications: z.array(
    Notification.omit({ at: true, title: true }).extend({
      receivedAt: z.string(),
      message: z.object({ title: z.string() }),
    }),
  ),
});

/** @throws ChatError `peer_unreachable` */
export async function readDeliveries(
  url: string | undefined,
  token: string | undefined,
): Promise<Pick<AlertList, 'notifications' | 'watchdogSeenAt'>> {
  const { watchdog, notifications } = await askPeer(
    { peer: 'notifier', url, path: `/api/notifications?limit=${limit}`, token },
    Outbox,
  );
  return {
    watchdogSeenAt: watchdog.lastSeenAt,
    notifications: notifications.map(({ receivedAt, message, ...facts }) =>
      Object.assign(facts, { at: receivedAt, title: message.title }),
    ),
  };
}
