/**
 * One trace a notification: a span from the alert's own start to its webhook, and under it one for every attempt, the
 * last of which ends when the channel has it. The outbox keeps the context, so that a trace outlives a restart.
 */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Span, Tracer } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { attributes, spans } from '../../otel/names.ts';
import type { Delivery } from './channels/delivery.ts';
import type { Notification } from './outbox/outbox.ts';
import { readTime } from './message/times.ts';
import type { Payload } from './webhook.ts';

const propagator = new W3CTraceContextPropagator();
const carrier = {
  get: (from: Record<string, string>, name: string) => from[name],
  set: (to: Record<string, string>, name: string, value: string) => void (to[name] = value),
  keys: (from: Record<string, string>) => Object.keys(from),
};

/** Begins the trace of a notification that was just kept; answers its `traceparent`. */
export function traceRaised(
  tracer: Tracer,
  { alerts, groupKey }: Payload,
  channel: string,
  now: number,
): string | null {
  // Of a resolved alert the news is its end.
  const news = alerts.flatMap(({ status, startsAt, endsAt }) => {
    return readTime(status === 'firing' ? startsAt : endsAt) ?? [];
  });
  const span = tracer.startSpan(
    spans.alert,
    {
      kind: SpanKind.CONSUMER,
      root: true,
      startTime: Math.min(now, ...news),
      attributes: {
        [attributes.channel]: channel,
        'alert.count': alerts.length,
        'alert.group': groupKey,
      },
    },
    ROOT_CONTEXT,
  );
  span.end(now);
  const headers: Record<string, string> = {};
  propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, carrier);
  return headers['traceparent'] ?? null;
}

export function traceIdOf(traceparent: string | null): string | null {
  return traceparent?.split('-')[1] ?? null;
}

/** Runs one attempt as a span of its notification's trace; a digest links the traces of all that it stands for. */
export async function traceAttempt(
  tracer: Tracer,
  notifications: readonly Notification[],
  attempt: () => Promise<Delivery>,
): Promise<Delivery> {
  const [first] = notifications;
  const parent = contextOf(first?.traceparent ?? null);
  const links = notifications.slice(1, 129).flatMap(({ traceparent }) => {
    const linked = trace.getSpanContext(contextOf(traceparent));
    return linked === undefined ? [] : [{ context: linked }];
  });
  const span = tracer.startSpan(
    spans.deliver,
    {
      kind: SpanKind.PRODUCER,
      links,
      attributes: {
        [attributes.channel]: first?.channel ?? '',
        'notification.id': first?.id ?? 0,
        'notification.count': notifications.length,
        'notification.attempt': (first?.attempts ?? 0) + 1,
      },
    },
    parent,
  );
  return context.with(trace.setSpan(parent, span), async () => {
    const delivery = await attempt();
    endAttempt(span, delivery);
    return delivery;
  });
}

function endAttempt(span: Span, delivery: Delivery): void {
  span.setAttribute(attributes.outcome, delivery.kind);
  if ('reason' in delivery) {
    span.setAttribute(attributes.reason, delivery.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: delivery.detail });
  }
  span.end();
}

function contextOf(traceparent: string | null): ReturnType<typeof context.active> {
  if (traceparent === null) return ROOT_CONTEXT;
  return propagator.extract(ROOT_CONTEXT, { traceparent }, carrier);
}
