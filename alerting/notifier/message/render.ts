/** From what the outbox holds to a message: the alerts that are for this channel, in full or as a digest. */
import { renderMessage } from './message.ts';
import type { Message, MessageOptions } from './message.ts';
import type { Notification } from '../outbox/outbox.ts';
import { readStored } from '../webhook.ts';
import type { Payload } from '../webhook.ts';

/** @throws Error when a payload cannot be read. */
export function renderNotifications(
  notifications: readonly Pick<Notification, 'payload' | 'alerts'>[],
  options: MessageOptions,
): Message {
  return renderMessage(notifications.map(ownPart), options);
}

function ownPart({ payload, alerts }: Pick<Notification, 'payload' | 'alerts'>): Payload {
  const stored = readStored(payload);
  if (alerts === null) return stored;
  const places = new Set(JSON.parse(alerts) as number[]);
  return { ...stored, alerts: stored.alerts.filter((_, place) => places.has(place)) };
}
