/** What there is to tell goes through here into the outbox: webhooks, and what the notifier found or says itself. */
import type { Tracer } from '@opentelemetry/api';
import type { Outbox } from './outbox/outbox.ts';
import { routeAlerts } from './routes.ts';
import type { Route } from './routes.ts';
import { traceRaised } from './traces.ts';
import type { Payload } from './webhook.ts';

export interface IntakeOptions {
  outbox: Outbox;
  routes: readonly Route[];
  /** The names of all of them. */
  channels: readonly string[];
  tracer: Tracer;
  /** Something was persisted for these. */
  onAccepted: (channels: readonly string[]) => void;
  now: () => number;
}

/**
 * Persists the payload for the channels of its route; on `everywhere` for every one.
 * @throws Error when the outbox cannot be written; nothing is kept then.
 */
export type Intake = (
  payload: Payload,
  to: { route: string } | 'everywhere',
) => 'accepted' | 'duplicate';

export function createIntake({
  outbox,
  routes,
  channels,
  tracer,
  onAccepted,
  now,
}: IntakeOptions): Intake {
  return (payload, to) => {
    const at = now();
    const everyone = channels.map((channel) => ({ channel, alerts: null }));
    const recipients =
      to === 'everywhere' ? everyone : routeAlerts(routes, channels, to.route, payload.alerts);
    const status = outbox.accept(
      {
        route: to === 'everywhere' ? 'notifier' : to.route,
        payload,
        recipients,
        trace: (channel) => traceRaised(tracer, payload, channel, at),
      },
      at,
    );
    if (status === 'accepted') onAccepted(recipients.map(({ channel }) => channel));
    return status;
  };
}
