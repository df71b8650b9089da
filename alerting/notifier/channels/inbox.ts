/** The channel of a machine without a robot: the message stays in GET /api/notifications and becomes one log line. */
import type { Channel } from './channel.ts';

export function createInbox(options: { log: (facts: object, message: string) => void }): Channel {
  return {
    name: 'inbox',
    perMinute: 6000,
    deliver({ title }) {
      options.log({ title }, 'notification');
      return Promise.resolve({ kind: 'delivered' });
    },
  };
}
