/** The facts of a request for its log line and its span, without text of prompt and answer. Used by accounting.ts. */
import type { Attributes } from '@opentelemetry/api';
import type { Context } from 'hono';
import { spanAttributes as s } from '../../../otel/names.ts';
import type { ChatError, ChatErrorCode } from '../../errors.ts';
import type { ApiEnv } from '../request-context.ts';

/** `client` is the id of the API key, else an address. */
export function describeRequest(c: Context<ApiEnv>, model: { id: string }): object {
  return {
    request_id: c.get('requestId'),
    route: c.req.path,
    model: model.id,
    client: keyOf(c) ?? c.env?.incoming?.socket.remoteAddress,
  };
}

/** @param statusByCode undefined for a stream that has begun: it keeps its status 200. */
export function describeError(
  error: ChatError | undefined,
  statusByCode: Readonly<Record<ChatErrorCode, number>> | undefined,
): object {
  if (error === undefined) return { status: 200 };
  const { code, recorded, param } = error;
  const status = statusByCode === undefined ? 200 : (error.status ?? statusByCode[code]);
  const facts = { status, error: recorded };
  return param === undefined ? facts : { ...facts, param };
}

export function describeSummary(summary: { traceId: string; spanId: string }): object {
  const { traceId, spanId, ...facts } = summary;
  return { trace_id: traceId, span_id: spanId, ...facts };
}

/** For the span of the generation. */
export function errorAttributes(c: Context<ApiEnv>, error: ChatError | undefined): Attributes {
  const client = keyOf(c);
  return {
    ...(client !== undefined && { [s.client]: client }),
    ...(error !== undefined && { [s.errorMessage]: error.recorded }),
    ...(error?.param !== undefined && { [s.errorParam]: error.param }),
  };
}

/** The id of the request's API key; undefined without one. */
function keyOf(c: Context<ApiEnv>): string | undefined {
  const client = c.get('client') as string | undefined;
  return client === 'anonymous' ? undefined : client;
}
