/**
 * The channel of a machine without robots: the notification stays where `GET /api/notifications` shows it, and the
 * worker's log line tells of it.
 */
import { z } from 'zod';
import { defineKind } from './channel-kind.ts';
import type { Channel } from './delivery.ts';

export function createInbox(name = 'inbox'): Channel {
  const detail = 'Nobody is called: what Alertmanager tells is listed at /api/notifications.';
  return { name, deliver: () => Promise.resolve({ kind: 'delivered', detail }) };
}

export const inbox = defineKind({
  kind: 'inbox',
  settings: z.strictObject({}),
  environment: {},
  create: createInbox,
});
