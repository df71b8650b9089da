/** Carries notifications from the outbox to their channels: one at a time for each, in order, again after a failure. */
import type { Channel } from './channels/channel.ts';
import type { Outbox } from './outbox.ts';

export interface DeliveryOptions {
  outbox: Outbox;
  channels: readonly Channel[];
  onOutcome(channel: string, outcome: 'delivered' | 'retried' | 'dead', facts: object): void;
  now?: () => number;
}

export interface DeliveryLoop {
  /** Something was added. */
  wake(): void;
  /** Waits for the attempt under way; what is left stays in the outbox. */
  stop(): Promise<void>;
}

const firstRetrySeconds = 1;
const longestRetrySeconds = 300;

export function startDelivery(options: DeliveryOptions): DeliveryLoop {
  const now = options.now ?? Date.now;
  const stopping = new AbortController();
  const wakers = new Set<() => void>();

  function sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      wakers.add(wake);
    });
  }

  async function run(channel: Channel): Promise<void> {
    let tokens = channel.perMinute;
    let filledAt = now();
    while (!stopping.signal.aborted) {
      const notification = options.outbox.next(channel.name);
      if (notification === undefined) {
        await sleep(60_000);
        continue;
      }
      tokens = Math.min(
        channel.perMinute,
        tokens + ((now() - filledAt) / 60_000) * channel.perMinute,
      );
      filledAt = now();
      const due = notification.nextAttemptAt - now();
      const refill = tokens >= 1 ? 0 : ((1 - tokens) / channel.perMinute) * 60_000;
      if (due > 0 || refill > 0) {
        await sleep(Math.max(due, refill));
        continue;
      }
      tokens -= 1;
      const delivery = await channel.deliver(notification);
      const facts = { id: notification.id, attempts: notification.attempts + 1 };
      if (delivery.kind === 'delivered') {
        options.outbox.settle(notification.id, 'delivered', null);
        options.onOutcome(channel.name, 'delivered', facts);
      } else if (delivery.kind === 'dead') {
        options.outbox.settle(notification.id, 'dead', delivery.reason);
        options.onOutcome(channel.name, 'dead', { ...facts, reason: delivery.reason });
      } else {
        const seconds = delivery.afterSeconds ?? backoffSeconds(notification.attempts);
        options.outbox.postpone(notification.id, delivery.reason, now() + seconds * 1000);
        options.onOutcome(channel.name, 'retried', { ...facts, reason: delivery.reason, seconds });
      }
    }
  }

  const loops = options.channels.map((channel) => run(channel));
  return {
    wake: () => wakers.forEach((wake) => wake()),
    async stop() {
      stopping.abort();
      wakers.forEach((wake) => wake());
      await Promise.all(loops);
    },
  };
}

/** Doubles, with jitter so that many robots do not come back at once. */
function backoffSeconds(attempts: number): number {
  const longest = Math.min(firstRetrySeconds * 2 ** attempts, longestRetrySeconds);
  return longest * (0.5 + Math.random() / 2);
}
