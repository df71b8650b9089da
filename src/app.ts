/** Every route, and the one table from error to HTTP status. */
import { context, propagation } from '@opentelemetry/api';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { matchedRoutes } from 'hono/route';
import { setRoute } from '../otel/http.ts';
import { accountGeneration } from './api/run/accounting.ts';
import { createBodyReader } from './api/body.ts';
import { createChat } from './api/routes/chat.ts';
import { createChatCompletions } from './api/openai/chat-completions.ts';
import { createCompletions } from './api/openai/completions.ts';
import { createConsoleEndpoints } from './console/server/endpoints.ts';
import {
  requireOwnHost,
  requireOwnOrigin,
  requireTokenBeyondLoopback,
} from './console/server/guards.ts';
import { bundleDir, createPage } from './console/server/page.ts';
import { createEmbeddings } from './api/openai/embeddings.ts';
import {
  defaultPace,
  type ApiDeps,
  type ApiEnv,
  type ConsoleOptions,
  type Endpoint,
} from './api/endpoint.ts';
import { toErrorBody } from './api/error-body.ts';
import { limitBody, refuseWhenDraining, requireApiKey, requireMetricsToken } from './api/guards.ts';
import { createHealth, createMetrics, createReadiness } from './api/routes/health.ts';
import { createModel, createModelList } from './api/openai/models.ts';
import { createOpenApi } from './api/openapi.ts';
import { createTokenize } from './api/routes/tokenize.ts';
import { createTrace, createTraceList } from './api/routes/traces.ts';
import { createVersion, service } from './api/routes/version.ts';
import { ChatError, toChatError, type ChatErrorCode } from './errors.ts';

export interface AppOptions extends Omit<ApiDeps, 'readBody' | 'pace' | 'needsKey' | 'console'> {
  /** Empty: nobody is asked for a key. */
  apiKeys: readonly string[];
  metricsToken: string | undefined;
  pace?: ApiDeps['pace'];
  /** Without it the console knows nobody. */
  console?: Partial<ConsoleOptions>;
}

const statusByCode = {
  alert_gone: 409,
  bad_request: 400,
  // Nobody reads it; 499 is nginx's word for a client that left.
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
  peer_unreachable: 503,
  queue_full: 429,
  queue_timeout: 503,
  shutdown: 503,
  too_large: 413,
  unauthorized: 401,
} as const satisfies Record<ChatErrorCode, number>;

const createEndpoint = [
  createChatCompletions,
  createCompletions,
  createEmbeddings,
  createModelList,
  createModel,
  createTokenize,
  createChat,
  createVersion,
  createHealth,
  createReadiness,
  createMetrics,
  createTraceList,
  createTrace,
] as const;

const alone: ConsoleOptions = {
  host: '127.0.0.1',
  peers: { prometheus: undefined, alertmanager: undefined, notifier: undefined },
  links: {
    prometheus: undefined,
    alertmanager: undefined,
    notifier: undefined,
    jaeger: undefined,
    grafana: undefined,
  },
  notifierToken: undefined,
  queueLimit: 0,
  bundleDir,
};

export function createApp(options: AppOptions) {
  const deps: ApiDeps = {
    pace: defaultPace,
    ...options,
    readBody: createBodyReader(options.log),
    needsKey: options.apiKeys.length > 0,
    console: { ...alone, ...options.console },
  };
  const endpoints = [
    ...createEndpoint.map((create) => create(deps)),
    ...createConsoleEndpoints(deps),
  ];
  endpoints.push(
    createOpenApi(endpoints, {
      version: service.version,
      statusByCode,
      secured: options.apiKeys.length > 0,
    }),
  );
  const app = new Hono<ApiEnv>();
  const respond = (error: ChatError, c: Context<ApiEnv>): Response =>
    toResponse(error, c, options.log);
  app.use(
    requestId(),
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => respond(wrongMethod(c, methods), c),
    }),
    nameRequest,
  );
  for (const endpoint of endpoints) {
    app.on(endpoint.method, [endpoint.path], ...guard(endpoint, deps, options), (c) =>
      endpoint.handle(c),
    );
  }
  app.route(
    '/',
    createPage(deps.console.bundleDir, requireOwnHost(deps.console.host, options.metricsToken)),
  );
  app.notFound((c) => respond(unknownPath(), c));
  app.onError((error, c) => respond(toChatError(error), c));
  return app;
}

/** A generation is accounted from its headers on, so that comes first. */
function guard(
  endpoint: Endpoint,
  deps: ApiDeps,
  options: AppOptions,
): MiddlewareHandler<ApiEnv>[] {
  const { operation, access, method } = endpoint;
  const isConsole = access === 'console' || access === 'console-write';
  return [
    ...(operation === undefined ? [] : [accountGeneration(deps, operation)]),
    ...(method === 'POST' ? [refuseWhenDraining(deps.draining)] : []),
    ...(access === 'key' ? [requireApiKey(options.apiKeys)] : []),
    ...(isConsole ? [requireOwnHost(deps.console.host, options.metricsToken)] : []),
    ...(access === 'metrics' || isConsole ? [requireMetricsToken(options.metricsToken)] : []),
    ...(access === 'console-write'
      ? [requireOwnOrigin, requireTokenBeyondLoopback(options.metricsToken)]
      : []),
    ...(method === 'POST' ? [limitBody] : []),
  ];
}

/** Names the route for the HTTP metrics, and the trace for the client. */
const nameRequest: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
  if (route !== undefined) setRoute(route.path);
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  if (carrier['traceparent'] !== undefined) c.header('traceparent', carrier['traceparent']);
  await next();
};

function toResponse(error: ChatError, c: Context<ApiEnv>, log: AppOptions['log']): Response {
  // A generation's account tells its own.
  if (error.code === 'internal_error' && c.get('account') === undefined) {
    const ids = { request_id: c.get('requestId'), route: c.req.path };
    log.error({ err: error.cause, ...ids }, 'unforeseen error');
  }
  if (error.retryAfterSeconds !== undefined)
    c.header('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') c.header('www-authenticate', 'Bearer');
  // 499 is outside the range that Hono types.
  return c.json(toErrorBody(error), statusByCode[error.code] as 400);
}

function unknownPath(): ChatError {
  return new ChatError('not_found', 'Unknown path. GET /openapi.json lists every endpoint.');
}

function wrongMethod(c: Context, methods: readonly string[]): ChatError {
  const allow = methods.join(', ');
  c.header('allow', allow);
  const message = `method: expected ${allow} for this path, got ${c.req.method}.`;
  return new ChatError('method_not_allowed', message);
}
