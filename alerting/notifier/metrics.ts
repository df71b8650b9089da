/** The notifier's metrics. Every series exists from the first scrape on. */
import type { Attributes, Meter } from '@opentelemetry/api';
import { createInstruments } from '../../otel/metrics/instruments.ts';
import { attributes } from '../../otel/names.ts';
import { deadReasons, retryReasons } from './channels/channel.ts';
import type { Delivery } from './channels/channel.ts';
import type { Notification, Outbox } from './outbox/outbox.ts';
import type { Watchdog } from './watch/watchdog.ts';

const outcomes = { delivered: 'delivered', retry: 'retried', dead: 'dead' } as const;

interface Observed {
  channels: readonly string[];
  outbox: Pick<Outbox, 'oldestPendingAt' | 'deadLetters'>;
  watchdog: Pick<Watchdog, 'silentMillis'>;
}

/** One attempt of a worker. */
export interface Attempt {
  channel: string;
  delivery: Delivery;
  notifications: readonly Pick<Notification, 'eventAt'>[];
  seconds: number;
  /** Templates of title and body that failed. */
  failures: number;
}

/** Returns the function that workers call after every attempt. */
export function observeNotifier(meter: Meter, { channels, outbox, watchdog }: Observed) {
  const instruments = createInstruments(meter);
  for (const channel of channels) {
    instruments.zero('notifierNotifications', labels(channel, 'delivered'));
    instruments.zero('notifierDeliveryAge', { [attributes.channel]: channel });
    instruments.zero('notifierTemplateFailures', { [attributes.channel]: channel });
    for (const kind of ['delivered', 'retry', 'dead'] as const)
      instruments.zero('notifierAttemptDuration', labels(channel, kind));
    for (const reason of retryReasons)
      instruments.zero('notifierNotifications', labels(channel, 'retry', reason));
    for (const reason of deadReasons)
      instruments.zero('notifierNotifications', labels(channel, 'dead', reason));
  }
  instruments.observe('notifierPendingAge', (result) =>
    result.observe(secondsSince(outbox.oldestPendingAt() ?? Date.now())),
  );
  instruments.observe('notifierDeadLetters', (result) => {
    const dead = outbox.deadLetters();
    for (const channel of channels) {
      result.observe(dead.get(channel) ?? 0, { [attributes.channel]: channel });
    }
  });
  instruments.observe('notifierHeartbeatAge', (result) =>
    result.observe(watchdog.silentMillis() / 1000),
  );
  return ({ channel, delivery, notifications, seconds, failures }: Attempt): void => {
    const isFailure = delivery.kind === 'delivered' && delivery.isTemplateFailure === true;
    const failed = failures + (isFailure ? 1 : 0);
    instruments.add('notifierTemplateFailures', failed, { [attributes.channel]: channel });
    const isPart = delivery.kind === 'partial';
    const kind = isPart ? 'delivered' : delivery.kind;
    instruments.record('notifierAttemptDuration', seconds, labels(channel, kind));
    // Count nothing yet: the attempt continues with the next part.
    if (isPart) return;
    const reason = delivery.kind === 'delivered' ? undefined : delivery.reason;
    const count = notifications.length;
    instruments.add('notifierNotifications', count, labels(channel, delivery.kind, reason));
    if (delivery.kind !== 'delivered') return;
    for (const { eventAt } of notifications) {
      if (eventAt === null) continue;
      const age = secondsSince(eventAt);
      instruments.record('notifierDeliveryAge', age, { [attributes.channel]: channel });
    }
  };
}

function labels(channel: string, kind: keyof typeof outcomes, reason?: string): Attributes {
  return {
    [attributes.channel]: channel,
    [attributes.outcome]: outcomes[kind],
    ...(reason !== undefined && { [attributes.reason]: reason }),
  };
}

const secondsSince = (time: number): number => Math.max(0, Date.now() - time) / 1000;
