/** A span as the stores keep it: JSON, a tenth of the size of the SDK's object. Also the summary of a trace, and its OTLP JSON. */
import {
  SpanStatusCode,
  TraceFlags,
  type Attributes,
  type HrTime,
  type SpanContext,
} from '@opentelemetry/api';
import { hrTimeToMilliseconds } from '@opentelemetry/core';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import {
  attributes as a,
  endings,
  firstTokenEvent,
  spanAttributes as s,
  type Outcome,
  type Reason,
} from '../names.ts';
import { phases, type Phase, type TraceSummary } from './rows.ts';

export interface StoredSpan {
  traceId: string;
  spanId: string;
  parentId?: string | undefined;
  name: string;
  kind: number;
  start: HrTime;
  end: HrTime;
  status: ReadableSpan['status'];
  attributes: Attributes;
  events: { name: string; time: HrTime; attributes?: Attributes }[];
  links: { traceId: string; spanId: string }[];
  /** Name and version of the tracer. */
  scope: [name: string, version?: string];
}

export function toStored(span: ReadableSpan): StoredSpan {
  const { traceId, spanId } = span.spanContext();
  const { name, version } = span.instrumentationScope;
  return {
    traceId,
    spanId,
    parentId: span.parentSpanContext?.spanId,
    name: span.name,
    kind: span.kind,
    start: span.startTime,
    end: span.endTime,
    status: span.status,
    attributes: span.attributes,
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      time,
      ...(attributes === undefined ? {} : { attributes }),
    })),
    links: span.links.map(({ context }) => ({
      traceId: context.traceId,
      spanId: context.spanId,
    })),
    scope: version === undefined ? [name] : [name, version],
  };
}

/** Spans that ended together in one process. */
export interface StoredSpans {
  resource: Attributes;
  spans: readonly StoredSpan[];
}

export function toReadable({ resource, spans }: StoredSpans): ReadableSpan[] {
  const shared = resourceFromAttributes(resource);
  return spans.map((span) => toReadableSpan(span, shared));
}

/** OTLP JSON (`{ resourceSpans }`). */
export function toOtlpJson(spans: ReadableSpan[]): object {
  const json = JsonTraceSerializer.serializeRequest(spans);
  return JSON.parse(Buffer.from(json ?? '{}').toString()) as object;
}

function contextOf(id: { traceId: string; spanId: string }): SpanContext {
  return { ...id, traceFlags: TraceFlags.SAMPLED };
}

function toReadableSpan(span: StoredSpan, resource: ReadableSpan['resource']): ReadableSpan {
  const { traceId, spanId, parentId, start, end, scope, links, ...rest } = span;
  return {
    ...rest,
    resource,
    spanContext: () => contextOf({ traceId, spanId }),
    ...(parentId === undefined
      ? {}
      : { parentSpanContext: contextOf({ traceId, spanId: parentId }) }),
    startTime: start,
    endTime: end,
    duration: [0, 0],
    ended: true,
    links: links.map((link) => ({ context: contextOf(link) })),
    instrumentationScope: { name: scope[0], ...(scope[1] && { version: scope[1] }) },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

export function startOf({ start }: StoredSpan): number {
  return hrTimeToMilliseconds(start);
}

export function endOf({ end }: StoredSpan): number {
  return hrTimeToMilliseconds(end);
}

/** @param spans in the order in which they ended; at least one */
export function summarise(spans: readonly StoredSpan[]): TraceSummary {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const root = spans.findLast(({ parentId }) => !ids.has(parentId ?? ''));
  const startedAt = Math.min(...spans.map(startOf));
  const find = (key: string): unknown =>
    spans.findLast(({ attributes }) => attributes[key] !== undefined)?.attributes[key];
  const findText = (key: string): string | undefined => find(key) as string | undefined;
  const findNumber = (key: string): number | undefined => find(key) as number | undefined;
  const outcome = find(s.outcome) as Outcome | undefined;
  const first = spans.flatMap(({ events }) => events).find(({ name }) => name === firstTokenEvent);
  const message = findText(s.errorMessage);
  return dropUndefined({
    traceId: spans[0]!.traceId,
    name: root?.name ?? '',
    startedAt,
    durationMillis: Math.max(...spans.map(endOf)) - startedAt,
    failed: isFailed({
      outcome,
      hasError: spans.some(({ status }) => status.code === SpanStatusCode.ERROR),
    }),
    outcome,
    reason: find(s.reason) as Reason | undefined,
    spans: spans.length,
    route: findText(a.httpRoute),
    statusCode: findNumber(a.httpResponseStatusCode),
    client: findText(s.client) ?? findText('network.peer.address'),
    model: findText(a.genAiResponseModel),
    error:
      message === undefined ? undefined : dropUndefined({ message, param: findText(s.errorParam) }),
    inputTokens: findNumber(s.inputTokens),
    outputTokens: findNumber(s.outputTokens),
    firstTokenMillis: first && hrTimeToMilliseconds(first.time) - startedAt,
    phases: durationsOf(spans),
  });
}

/** A refused request has spans with the status ERROR too. */
export function isFailed(trace: { outcome: unknown; hasError: boolean }): boolean {
  const { outcome, hasError } = trace;
  return typeof outcome === 'string' && outcome in endings ? outcome === 'failed' : hasError;
}

function durationsOf(spans: readonly StoredSpan[]): Partial<Record<Phase, number>> | undefined {
  const found = phases.flatMap((phase) => {
    const span = spans.find(({ name }) => name === phase);
    return span === undefined ? [] : [[phase, endOf(span) - startOf(span)]];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

type Defined<Members> = { [Key in keyof Members]: Exclude<Members[Key], undefined> };

function dropUndefined<Members extends object>(members: Members): Defined<Members> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<Members>;
}

/** The texts that `TraceQuery.error` searches, in lower case. */
export function searchedText({ reason, error }: TraceSummary): string {
  return [reason, error?.param, error?.message].join('\n').toLowerCase();
}
