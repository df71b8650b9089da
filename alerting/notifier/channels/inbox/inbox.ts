/** The default channel if no other is configured: the notification is only stored, and `GET /api/notifications` lists it. */
import { z } from 'zod';
import { defineKind } from '../channel.ts';

const detail = 'Stored in the inbox only; see GET /api/notifications.';

export const inbox = defineKind({
  kind: 'inbox',
  settings: z.strictObject({}),
  environment: {},
  create: (name) => ({
    name,
    storesOnly: true,
    deliver: () => Promise.resolve({ kind: 'delivered', detail }),
  }),
});
