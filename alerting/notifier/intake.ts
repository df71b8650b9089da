/** Stores alerts in the outbox: alerts of webhooks, and alerts that the notifier raises itself. */
import type { Tracer } from '@opentelemetry/api';
import type { Stored } from './outbox/accept.ts';
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

  /** Spans are made after the transaction, so that none exists for a duplicate or a failed write, and the write is short. */
  function trace(stored: readonly Stored[], at: number): void {
    const traced = stored.map(({ id, channel, payload }) => {
      const span = startAlertSpan(tracer, payload, channel, at);
      span.end(at);
      return { id, traceparent: traceparentOf(span) };
    });
    try {
      outbox.setTraceparents(traced);
    } catch {
      // The notification is stored; its attempts start a trace of their own.
    }
  }

  /**
   * Stores the payload for the channels of its route. An alert that the notifier raises itself is stored for every channel but `except`.
   * @throws Error when the outbox cannot be written; then nothing is stored.
   */
  return (payload: Payload, route: string, except?: string): 'accepted' | 'duplicate' => {
    const at = now();
    const recipients =
      payload.origin === 'notifier'
        ? channels
            .filter((channel) => channel !== except)
            .map((channel) => ({ channel, alerts: null }))
        : routeAlerts(routes, channels, route, payload.alerts);
    const stored = outbox.accept({ route, payload, recipients }, at);
    if (stored.length === 0) return 'duplicate';
    trace(stored, at);
    onAccepted(stored.map(({ channel }) => channel));
    return 'accepted';
  };
}
