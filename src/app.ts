/** Every route, and the one table from error to HTTP status. */
import { context, propagation } from '@opentelemetry/api';
import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { setRoute } from '../otel/http.ts';
import type { Telemetry } from '../otel/sdk.ts';
import { createChat } from './api/chat.ts';
import { createChatCompletions } from './api/chat-completions.ts';
import { createCompletions } from './api/completions.ts';
import { toErrorBody } from './api/error-body.ts';
import {
  accountGeneration,
  refuseWhenDraining,
  type GenerationDeps,
  type GenerationEnv,
} from './api/generation.ts';
import { maxBodyBytes } from './api/requests.ts';
import { ChatError, toChatError, type ChatErrorCode } from './errors.ts';

export interface AppDeps extends GenerationDeps {
  telemetry: Pick<Telemetry, 'scrape'>;
  apiKeys: readonly string[];
  metricsToken: string | undefined;
  draining: () => boolean;
  /** What GET /v1/models tells beside the id. */
  modelCard: () => object;
}

type Env = GenerationEnv & { Bindings: HttpBindings };

const statusByCode = {
  bad_request: 400,
  // Nobody reads it; 499 is nginx's word for a client that left.
  client_gone: 499,
  context_overflow: 400,
  deadline: 503,
  engine_error: 500,
  engine_exit: 503,
  internal_error: 500,
  method_not_allowed: 405,
  model_not_found: 404,
  not_found: 404,
  not_ready: 503,
  queue_full: 429,
  queue_timeout: 503,
  shutdown: 503,
  too_large: 413,
  unauthorized: 401,
} as const satisfies Record<ChatErrorCode, number>;

export function createApp(deps: AppDeps) {
  const app = new Hono<Env>();
  app.use(nameRequest);
  const guards = [refuseWhenDraining(deps), requireApiKey(deps.apiKeys), limitBody] as const;
  app.post(
    '/v1/chat/completions',
    accountGeneration(deps, 'chat'),
    ...guards,
    createChatCompletions(deps),
  );
  app.post(
    '/v1/completions',
    accountGeneration(deps, 'text_completion'),
    ...guards,
    createCompletions(deps),
  );
  app.post('/chat', accountGeneration(deps, 'chat'), ...guards, createChat(deps));
  app.get('/v1/models', requireApiKey(deps.apiKeys), (c) =>
    c.json({ object: 'list', data: [deps.modelCard()] }),
  );
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const { state } = deps.engine.status();
    const ready = state === 'ready' && !deps.draining();
    const status = deps.draining() ? 'draining' : state;
    return c.json({ status, model: deps.modelCard() }, ready ? 200 : 503);
  });
  app.get('/metrics', requireMetricsToken(deps.metricsToken), async (c) => {
    const { status, headers, body } = await deps.telemetry.scrape({
      accept: c.req.header('accept'),
      acceptEncoding: c.req.header('accept-encoding'),
    });
    return new Response(typeof body === 'string' ? body : new Uint8Array(body), {
      status,
      headers,
    });
  });
  app.notFound((c) => {
    throw otherMethod(app, c);
  });
  app.onError((error, c) => toResponse(toChatError(error), c));
  return app;
}

/** Route for the HTTP metrics, ids for the response. */
const nameRequest: MiddlewareHandler<Env> = async (c, next) => {
  const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
  if (route !== undefined) setRoute(route.path);
  const requestId = randomUUID();
  c.set('requestId', requestId);
  c.header('x-request-id', requestId);
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  if (carrier['traceparent'] !== undefined) c.header('traceparent', carrier['traceparent']);
  await next();
};

const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError() {
    throw new ChatError('too_large', `body: expected at most ${maxBodyBytes} bytes, got more.`);
  },
});

function toResponse(error: ChatError, c: Context<Env>): Response {
  if (error.retryAfterSeconds !== undefined)
    c.header('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') c.header('www-authenticate', 'Bearer');
  // 499 is outside the range that Hono types.
  return c.json(toErrorBody(error), statusByCode[error.code] as 400);
}

function otherMethod(app: Hono<Env>, c: Context<Env>): ChatError {
  const methods = app.routes.filter((route) => route.path === c.req.path && route.method !== 'ALL');
  if (methods.length === 0) {
    return new ChatError(
      'not_found',
      `There is nothing at this path. GET /v1/models tells what is served.`,
    );
  }
  const allow = [...new Set(methods.map((route) => route.method))].join(', ');
  c.header('allow', allow);
  return new ChatError(
    'method_not_allowed',
    `method: expected ${allow} for this path, got another.`,
  );
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Compares digests, so that the time taken tells nothing about a key. */
function isOneOf(keys: readonly string[], given: string): boolean {
  const wanted = digest(given);
  return keys.filter((key) => timingSafeEqual(digest(key), wanted)).length > 0;
}

function requireBearer(keys: readonly string[], c: Context): void {
  const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (given !== undefined && isOneOf(keys, given)) return;
  throw new ChatError(
    'unauthorized',
    `authorization: expected "Bearer <key>" with a key of this service, got ${given === undefined ? 'none' : 'another'}.`,
  );
}

function requireApiKey(keys: readonly string[]): MiddlewareHandler {
  return async function requireApiKey(c, next) {
    if (keys.length > 0) requireBearer(keys, c);
    await next();
  };
}

function requireMetricsToken(token: string | undefined): MiddlewareHandler<Env> {
  return async function requireMetricsToken(c, next) {
    const address = c.env.incoming?.socket.remoteAddress ?? '';
    const onLoopback = address === '::1' || /^(::ffff:)?127\./.test(address);
    if (token !== undefined && !onLoopback) requireBearer([token], c);
    await next();
  };
}
