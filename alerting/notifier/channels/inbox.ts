/**
 * The channel of a machine without robots: the notification stays where `GET /api/notifications` shows it, and the
 * worker's log line tells of it.
 */
import type { Channel } from '../delivery.ts';

export function createInbox(): Channel {
  return { name: 'inbox', deliver: () => Promise.resolve({ kind: 'delivered' }) };
}
