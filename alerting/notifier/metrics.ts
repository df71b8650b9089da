/** The notifier's metrics. Every series exists from the first scrape on. */
import type { Attributes, Meter } from '@opentelemetry/api';
import { createInstruments } from '../../otel/metrics/instruments.ts';
import { attributes } from '../../otel/names.ts';
import { deadReasons, retryReasons } from './channels/channel.ts';
import type { Delivery } from './channels/channel.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Watchdog } from './watch/watchdog.ts';

const outcomes = { delivered: 'delivered', retry: 'retried', dead: 'dead' } as const;

interface Observed {
  channels: readonly string[];
  outbox: Pick<Outbox, 'oldestPendingAt' | 'deadLetters'>;
  watchdog: Pick<Watchdog, 'silentMillis'>;
}

/** Returns the function that workers call after every attempt, with the number of notifications in the attempt. */
export function observeNotifier(meter: Meter, { channels, outbox, watchdog }: Observed) {
  const instruments = createInstruments(meter);
  for (const channel of channels) {
    instruments.zero('notifierNotifications', labels(channel, 'delivered'));
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
  return (channel: string, delivery: Delivery, count: number): void => {
    // Count nothing yet: the attempt continues with the next part.
    if (delivery.kind === 'partial') return;
    const reason = delivery.kind === 'delivered' ? undefined : delivery.reason;
    instruments.add('notifierNotifications', count, labels(channel, delivery.kind, reason));
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
