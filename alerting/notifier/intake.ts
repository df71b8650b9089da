/** Stores alerts in the outbox: alerts of webhooks, and alerts that the notifier raises itself. */
import type { Tracer } from '@opentelemetry/api';
import type { Outbox } from './outbox/outbox.ts';
import { routeAlerts } from './routes.ts';
import type { Route } from './routes.ts';
import { startAlertSpan, traceparentOf } from './traces.ts';
import type { Payload } from './webhook.ts';

export interface IntakeOptions {
  outbox: Outbox;
  routes: readonly Route[];
  /** Names of all configured channels. */
  channels: readonly string[];
  tracer: Tracer;
  /** Called with the channels that have new notifications. */
  onAccepted: (channels: readonly string[]) => void;
  now: () => number;
}

export type Intake = ReturnType<typeof createIntake>;

export function createIntake(options: IntakeOptions) {
  const { outbox, routes, channels, tracer, onAccepted, now } = options;
  /**
   * Stores the payload for the channels of its route. An alert that the notifier raises itself is stored for every channel.
   * @throws Error when the outbox cannot be written; then nothing is stored.
   */
  return (payload: Payload, route: string): 'accepted' | 'duplicate' => {
    const at = now();
    const recipients =
      payload.origin === 'notifier'
        ? channels.map((channel) => ({ channel, alerts: null }))
        : routeAlerts(routes, channels, route, payload.alerts);
    const traced = recipients.map((recipient) => {
      const span = startAlertSpan(tracer, payload, recipient.channel, at);
      return { ...recipient, span, traceparent: traceparentOf(span) };
    });
    const status = outbox.accept({ route, payload, recipients: traced }, at);
    if (status === 'duplicate') return status;
    // End the spans only after the write, so that no span is exported for a duplicate or a failed write.
    for (const { span } of traced) span.end(at);
    onAccepted(recipients.map(({ channel }) => channel));
    return status;
  };
}
