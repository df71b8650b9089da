/** All routes with their guards, and the HTTP status of each error code. */
import { context, propagation, trace } from '@opentelemetry/api';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import type { InferenceTelemetry } from '../otel/generation/inference.ts';
import { isIgnored } from '../otel/http.ts';
import { spanAttributes as s } from '../otel/names.ts';
import type { Telemetry } from '../otel/sdk.ts';
import { canonicalPath } from './api/aliases.ts';
import { createCountTokens, createMessages } from './api/anthropic/messages.ts';
import { createBodyReader } from './api/body.ts';
import type { Endpoint } from './api/endpoint.ts';
import { toBodyOf } from './api/error-body.ts';
import {
  limitBody,
  refuseWhenDraining,
  requireApiKey,
  requireMetricsToken,
  requireOwnSite,
} from './api/guards.ts';
import { createChatCompletions } from './api/openai/chat-completions.ts';
import { createCompletions } from './api/openai/completions.ts';
import { createEmbeddings } from './api/openai/embeddings.ts';
import { createModel, createModelList } from './api/openai/models.ts';
import { createResponses } from './api/openai/responses/responses.ts';
import { createOpenApi } from './api/openapi.ts';
import type { ApiEnv, Log } from './api/request-context.ts';
import { createChat } from './api/routes/chat.ts';
import {
  createHealth,
  createMetrics,
  createReadiness,
  createServerHealth,
} from './api/routes/health.ts';
import { createTokenize } from './api/routes/tokenize.ts';
import { createTrace, createTraceList } from './api/routes/traces.ts';
import { createVersion, service } from './api/routes/version.ts';
import { account } from './api/run/accounting.ts';
import type { Limits, StreamTimeouts } from './api/run/request-limits.ts';
import type { ServedModel } from './api/served-model.ts';
import type { Config } from './config.ts';
import { createConsoleEndpoints } from './console/server/endpoints.ts';
import {
  requireOwnHost,
  requireOwnOrigin,
  requireTokenBeyondLoopback,
} from './console/server/guards.ts';
import { createPage } from './console/server/page.ts';
import type { Engine } from './engine/engine.ts';
import { ChatError, toChatError, type ChatErrorCode } from './errors.ts';
import { createGate, type Gate } from './kit/gate.ts';
import { nameRoute, routeOf } from './kit/requests.ts';

type ConfigKey =
  | 'host'
  | 'publicHosts'
  | 'forwarder'
  | 'corsOrigins'
  | 'embeddings'
  | 'apiKeys'
  | 'metricsToken'
  | 'peers'
  | 'links'
  | 'notifierToken'
  | 'queueLimit';

export interface AppOptions extends Pick<Config, ConfigKey> {
  engine: Engine;
  model: ServedModel;
  inference: InferenceTelemetry;
  telemetry: Pick<Telemetry, 'scrape' | 'traces'>;
  log: Log;
  limits: Limits;
  timeouts: StreamTimeouts;
  draining: () => boolean;
  /** The folder with the built page. */
  bundleDir: string;
}

const statusByCode = {
  alert_gone: 409,
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

export function createApp(options: AppOptions) {
  const app = new Hono<ApiEnv>({ getPath: canonicalPath });
  const respond = (error: ChatError, c: Context<ApiEnv>): Response =>
    toResponse(error, c, options.log);
  app.use(
    requestId(),
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => respond(wrongMethod(c, methods), c),
    }),
    nameRoute,
    nameTrace,
  );
  const { bundleDir, host, publicHosts, corsOrigins, forwarder, metricsToken } = options;
  const names = [host, ...publicHosts];
  const gate = createGate({
    names,
    setting: 'CHAT_PUBLIC_HOST',
    origins: corsOrigins,
    forwarder,
  });
  const guardsOf = createGuards(options, gate);
  for (const endpoint of createEndpoints(options)) {
    if (corsOrigins.length > 0 && endpoint.access === 'key') {
      app.use(endpoint.path, cors({ origin: [...corsOrigins], ...corsHeaders }));
    }
    app.on(endpoint.method, [endpoint.path], ...guardsOf(endpoint), (c) => endpoint.handle(c));
  }
  app.route('/', createPage(bundleDir, requireOwnHost(gate, metricsToken)));
  app.notFound((c) => {
    const message = 'Unknown path. GET /openapi.json lists every endpoint.';
    return respond(new ChatError('not_found', message), c);
  });
  app.onError((error, c) => respond(toChatError(error), c));
  return app;
}

function createEndpoints(options: AppOptions): Endpoint[] {
  const { engine, model, telemetry, limits, draining } = options;
  const readBody = createBodyReader(options.log);
  const needsKey = options.apiKeys.length > 0;
  const endpoints = [
    createChatCompletions(options, readBody),
    createCompletions(options, readBody),
    createResponses(options, readBody),
    createMessages(options, readBody),
    createCountTokens(options, readBody),
    createEmbeddings({ engine, model, limits, readBody, embeddings: options.embeddings }),
    createModelList(model),
    createModel(model),
    createTokenize({ engine, limits, readBody }),
    createChat(options, readBody),
    createVersion(engine, model.id),
    createHealth({ engine, draining }),
    createServerHealth({ engine, draining }),
    createReadiness(options),
    createMetrics(telemetry),
    createTraceList(telemetry),
    createTrace(telemetry),
    ...createConsoleEndpoints({ ...options, readBody, needsKey }),
  ];
  const { version } = service;
  return [...endpoints, createOpenApi(endpoints, { version, statusByCode, secured: needsKey })];
}

/** The guards of an endpoint. Accounting comes first, because it counts a generation from the arrival of its headers. */
function createGuards(
  options: AppOptions,
  gate: Gate,
): (endpoint: Endpoint) => MiddlewareHandler<ApiEnv>[] {
  const { metricsToken, draining } = options;
  const metrics = requireMetricsToken(metricsToken, gate);
  const pages = [requireOwnHost(gate, metricsToken), metrics];
  const writes = [requireOwnOrigin(gate), requireTokenBeyondLoopback(metricsToken, gate)];
  const byAccess: Record<Endpoint['access'], MiddlewareHandler<ApiEnv>[]> = {
    anyone: [],
    open: [requireOwnSite(gate)],
    key: [requireApiKey(options.apiKeys, gate)],
    metrics: [metrics],
    console: pages,
    'console-write': [...pages, ...writes],
  };
  return ({ operation, access, method, errorForm }) => [
    ...(errorForm === undefined ? [] : [setErrorForm(errorForm)]),
    ...(operation === undefined ? [] : [account({ ...options, statusByCode }, operation)]),
    ...(method === 'POST' ? [refuseWhenDraining(draining)] : []),
    ...byAccess[access],
    ...(method === 'POST' ? [limitBody] : []),
  ];
}

function setErrorForm(form: NonNullable<Endpoint['errorForm']>): MiddlewareHandler<ApiEnv> {
  return async function setErrorForm(c, next) {
    c.set('errorForm', form);
    await next();
  };
}

/** Headers that pages of other origins may read, and the seconds for which browsers keep a preflight. */
const corsHeaders = {
  exposeHeaders: ['x-request-id', 'traceparent', 'server-timing', 'retry-after'],
  maxAge: 600,
};

/** Writes the W3C trace context of the request's server span into the response. */
const nameTrace: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  if (carrier['traceparent'] !== undefined) c.header('traceparent', carrier['traceparent']);
  await next();
};

function toResponse(error: ChatError, c: Context<ApiEnv>, log: Log): Response {
  // An account records its own errors.
  const isAccounted = c.get('account') !== undefined || c.get('embeddings') !== undefined;
  if (!isAccounted) recordError(error, c, log);
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
    const facts = { status: statusByCode[code], code, error: recorded, param };
    log.info({ ...ids, ...facts }, 'request refused');
  }
}

function wrongMethod(c: Context, methods: readonly string[]): ChatError {
  const allow = methods.join(', ');
  c.header('allow', allow);
  const message = `method: expected ${allow} for this path, got ${c.req.method}.`;
  return new ChatError('method_not_allowed', message);
}
