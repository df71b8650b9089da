/** The notifier's own metrics; every series exists from the first scrape on. */
import type { Attributes, Meter } from '@opentelemetry/api';
import { createInstruments } from '../../otel/instruments.ts';
import { attributes } from '../../otel/names.ts';
import { deadReasons, retryReasons } from './delivery.ts';
import type { Delivery } from './delivery.ts';
import type { Outbox } from './outbox.ts';

const outcomes = { delivered: 'delivered', retry: 'retried', dead: 'dead' } as const;

/** Answers what the workers call after every attempt. */
export function observeNotifier(
  meter: Meter,
  channels: readonly string[],
  outbox: Pick<Outbox, 'oldestPendingAt'>,
): (channel: string, delivery: Delivery) => void {
  const instruments = createInstruments(meter);
  for (const channel of channels) {
    instruments.zero('notifierNotifications', labels(channel, 'delivered'));
    for (const reason of retryReasons)
      instruments.zero('notifierNotifications', labels(channel, 'retry', reason));
    for (const reason of deadReasons)
      instruments.zero('notifierNotifications', labels(channel, 'dead', reason));
  }
  instruments.observe('notifierPendingAge', (result) => {
    const now = Date.now();
    result.observe(Math.max(0, now - (outbox.oldestPendingAt() ?? now)) / 1000);
  });
  return (channel, delivery) => {
    const reason = delivery.kind === 'delivered' ? undefined : delivery.reason;
    instruments.add('notifierNotifications', 1, labels(channel, delivery.kind, reason));
  };
}

function labels(channel: string, kind: Delivery['kind'], reason?: string): Attributes {
  return {
    [attributes.channel]: channel,
    [attributes.outcome]: outcomes[kind],
    ...(reason !== undefined && { [attributes.reason]: reason }),
  };
}
