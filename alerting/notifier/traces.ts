/**
 * One trace per notification: span `alert` from the start of the alert to its webhook, and below it one span `deliver` per
 * attempt. The outbox stores the `traceparent`, so that a trace continues after a restart.
 */
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Context, Span, Tracer } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { spanAttributes as s, spans } from '../../otel/names.ts';
import type { Delivery } from './channels/channel.ts';
import type { Notifications } from './outbox/outbox.ts';
import { readTime } from './webhook.ts';
import type { Payload } from './webhook.ts';

const propagator = new W3CTraceContextPropagator();

/** Starts the trace of a stored notification. */
export function startAlertSpan(
  tracer: Tracer,
  { alerts, groupKey }: Payload,
  channel: string,
  now: number,
): Span {
  const times = alerts.flatMap(({ status, startsAt, endsAt }) => {
    return readTime(status === 'firing' ? startsAt : endsAt) ?? [];
  });
  return tracer.startSpan(spans.alert, {
    kind: SpanKind.INTERNAL,
    root: true,
    startTime: Math.min(now, ...times),
    attributes: {
      [s.channel]: channel,
      [s.alertCount]: alerts.length,
      [s.alertGroup]: groupKey,
    },
  });
}

export function traceparentOf(span: Span): string | null {
  const headers: Record<string, string> = {};
  propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
  return headers['traceparent'] ?? null;
}

export function traceIdOf(traceparent: string | null): string | null {
  return traceparent?.split('-')[1] ?? null;
}

/** OpenTelemetry's default limit of links per span. https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits */
const maxLinks = 128;

/**
 * Runs one delivery attempt in a `deliver` span, which belongs to the trace of the first notification. In a digest, the span has
 * links to the traces of the other notifications.
 */
export async function traceAttempt<Result extends { delivery: Delivery }>(
  tracer: Tracer,
  [first, ...others]: Notifications,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const parent = contextOf(first.traceparent);
  const links = others.slice(0, maxLinks).flatMap(({ traceparent }) => {
    const linked = trace.getSpanContext(contextOf(traceparent));
    return linked === undefined ? [] : [{ context: linked }];
  });
  const facts = {
    [s.channel]: first.channel,
    [s.notificationId]: first.id,
    [s.notificationCount]: 1 + others.length,
    [s.notificationAttempt]: first.attempts + 1,
  };
  const options = { kind: SpanKind.CLIENT, links, attributes: facts };
  const span = tracer.startSpan(spans.deliver, options, parent);
  const result = await context.with(trace.setSpan(parent, span), attempt);
  const { delivery } = result;
  span.setAttribute(s.delivery, delivery.kind);
  if ('reason' in delivery) {
    span.setAttribute(s.deliveryReason, delivery.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: delivery.detail });
  }
  span.end();
  return result;
}

function contextOf(traceparent: string | null): Context {
  if (traceparent === null) return ROOT_CONTEXT;
  return propagator.extract(ROOT_CONTEXT, { traceparent }, defaultTextMapGetter);
}
