/** Stores alerts in the outbox: those of webhooks, and those that the notifier raises itself. */
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
  /** Called with the channels that have something new to send. */
  onAccepted: (channels: readonly string[]) => void;
  now: () => number;
}

export type Intake = ReturnType<typeof createIntake>;

export function createIntake(options: IntakeOptions) {
  const { outbox, routes, channels, tracer, onAccepted, now } = options;
  /**
   * Stores the payload for the channels of its route; an alert of the notifier itself for every channel.
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
    // Ended only now: the span of a duplicate or of a write that failed is never exported.
    for (const { span } of traced) span.end(at);
    onAccepted(recipients.map(({ channel }) => channel));
    return status;
  };
}
