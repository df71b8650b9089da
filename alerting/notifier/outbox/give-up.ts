/** Decides when a failed notification is dead: it failed for too long, or only its content is refused. Used by `worker.ts`. */
import type { Channel, Delivery } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import type { Notifications, Outbox } from './outbox.ts';

const minExpiryAttempts = 10;
/** An error that may be about the content is tolerated fewer times than this for the same content. */
export const maxRefusals = 3;
/** An error that passes sooner was not about the content: a receiver in a rolling deployment accepts some calls and refuses others. */
const minRefusedMillis = 120_000;

interface GiveUpState {
  channel: Pick<Channel, 'name'>;
  outbox: Pick<Outbox, 'hasDeliveredSince'>;
  clock: Pick<Clock, 'now'>;
  /** A notification becomes dead if it has failed for longer than this. */
  expirySeconds: number;
}

/** Turns a retry into `dead` if it failed for too long, or if only this content is refused. */
export function giveUp(
  state: GiveUpState,
  notifications: Notifications,
  delivery: Delivery,
): Delivery {
  if (delivery.kind !== 'retry') return delivery;
  const { detail } = delivery;
  if (isCulprit(state, notifications, delivery)) return { kind: 'dead', reason: 'refused', detail };
  return isExpired(state, notifications) ? { kind: 'dead', reason: 'expired', detail } : delivery;
}

/**
 * Whether an unknown error is about the content: the same notification was refused three times over at least two minutes, and the
 * channel accepted another one after the first refusal. Without the last condition an error of the vendor would kill every
 * notification.
 */
function isCulprit(
  { channel, outbox, clock }: GiveUpState,
  [{ refusals, firstRefusedAt }, ...others]: Notifications,
  { isRefusal }: Delivery & { kind: 'retry' },
): boolean {
  if (!isRefusal || others.length > 0 || refusals + 1 < maxRefusals) return false;
  if (firstRefusedAt === null) return false;
  // The absolute value: the clock may have been set back.
  const isShort = Math.abs(clock.now() - firstRefusedAt) < minRefusedMillis;
  return !isShort && outbox.hasDeliveredSince(channel.name, firstRefusedAt);
}

/**
 * Whether even the newest notification of the call has failed for too long. The number of attempts counts too, because the clock of
 * a machine may be set for the first time while a notification waits.
 */
function isExpired({ clock, expirySeconds }: GiveUpState, notifications: Notifications): boolean {
  const newest = Math.max(...notifications.map(({ queuedAt }) => queuedAt));
  const isOld = clock.now() - newest > expirySeconds * 1000;
  return isOld && notifications[0].attempts + 1 >= minExpiryAttempts;
}
