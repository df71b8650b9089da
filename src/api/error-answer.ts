/** Answers an error in the form of its endpoint, and records it where no account does. Has the HTTP status of each error code. Used by `app.ts`. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { trace } from '@opentelemetry/api';
import type { Context } from 'hono';
import { isIgnored } from '../../otel/http.ts';
import { spanAttributes as s } from '../../otel/names.ts';
import { ChatError, type ChatErrorCode } from '../errors.ts';
import { routeOf } from '../kit/requests.ts';
import { toBodyOf } from './error-body.ts';
import type { ApiEnv, Log } from './request-context.ts';

export const statusByCode = {
  alert_gone: 409,
  backend_timeout: 504,
  backend_unreachable: 502,
  bad_request: 400,
  // Nginx's status for a client that closed the connection; it appears in metrics and spans only.
  client_gone: 499,
  context_overflow: 400,
  deadline: 503,
  engine_error: 500,
  engine_exit: 503,
  forbidden: 403,
  internal_error: 500,
  method_not_allowed: 405,
  model_not_found: 404,
  not_found: 404,
  not_ready: 503,
  peer_unreachable: 502,
  queue_full: 429,
  queue_timeout: 503,
  shutdown: 503,
  too_large: 413,
  unauthorized: 401,
} as const satisfies Record<ChatErrorCode, number>;

export function answerError(error: ChatError, c: Context<ApiEnv>, log: Log): Response {
  // A forwarded answer has begun.
  const hasBegun = c.env?.outgoing?.headersSent === true;
  // An account records its own errors.
  const isAccounted = c.get('account') !== undefined || c.get('embeddings') !== undefined;
  if (!isAccounted) recordError(error, c, log);
  if (hasBegun) return RESPONSE_ALREADY_SENT;
  if (error.retryAfterSeconds !== undefined)
    c.header('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') c.header('www-authenticate', 'Bearer');
  // 499 is outside the range that Hono types.
  return c.json(toBodyOf(c.get('errorForm'), error), statusByCode[error.code] as 400);
}

function recordError(error: ChatError, c: Context<ApiEnv>, log: Log): void {
  const { code, recorded, param } = error;
  trace.getActiveSpan()?.setAttributes({
    [s.errorMessage]: recorded,
    ...(param !== undefined && { [s.errorParam]: param }),
  });
  // Not the path, which a client chooses.
  const ids = { request_id: c.get('requestId'), route: routeOf(c) };
  if (code === 'internal_error') log.error({ err: error.cause, ...ids }, 'unexpected error');
  // The console polls its routes.
  else if (!isIgnored(c.req.path)) {
    const facts = { status: error.status ?? statusByCode[code], code, error: recorded, param };
    log.info({ ...ids, ...facts }, 'request refused');
  }
}

export function wrongMethod(c: Context, methods: readonly string[]): ChatError {
  const allow = methods.join(', ');
  c.header('allow', allow);
  const message = `method: expected ${allow} for this path, got ${c.req.method}.`;
  return new ChatError('method_not_allowed', message);
}
