/** All routes with their guards. */
import { context, propagation } from '@opentelemetry/api';
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import type { InferenceTelemetry } from '../otel/generation/inference.ts';
import type { Telemetry } from '../otel/sdk.ts';
import { canonicalPath } from './api/aliases.ts';
import { createCountTokens, createMessages } from './api/anthropic/messages.ts';
import { createBodyReader } from './api/body.ts';
import type { Endpoint } from './api/endpoint.ts';
import { answerError, statusByCode, wrongMethod } from './api/error-answer.ts';
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
  readinessOfEngine,
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
import { createStatus, statusOfEngine } from './console/server/status.ts';
import type { Engine } from './engine/engine.ts';
import { ChatError, toChatError } from './errors.ts';
import { createGate, type Gate } from './kit/gate.ts';
import { nameRoute } from './kit/requests.ts';
import type { Backend } from './tap/backend.ts';
import { createForwarded, readinessOfBackend, statusOfBackend } from './tap/endpoints.ts';
import { createForward } from './tap/forward.ts';

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

/** What both kinds of service have: with an engine of their own, and in front of another server. */
interface ServiceOptions extends Pick<Config, ConfigKey> {
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

export interface AppOptions extends ServiceOptions {
  engine: Engine;
}

export interface BackendAppOptions extends ServiceOptions {
  backend: Backend;
}

export function createApp(options: AppOptions) {
  return routeEndpoints(options, withOpenApi(createEndpoints(options), options));
}

/** A service in front of the server of BACKEND_URL: it forwards all of `/v1`. */
export function createBackendApp(options: BackendAppOptions) {
  const forward = createForward(options);
  const endpoints = [...createForwarded(forward), ...createBackendEndpoints(options)];
  return routeEndpoints(options, withOpenApi(endpoints, options), forward);
}

/** @param forward answers every other path of `/v1` */
function routeEndpoints(
  options: ServiceOptions,
  endpoints: readonly Endpoint[],
  forward?: Endpoint['handle'],
) {
  const app = new Hono<ApiEnv>({ getPath: canonicalPath });
  const respond = (error: ChatError, c: Context<ApiEnv>): Response =>
    answerError(error, c, options.log);
  app.use(
    leaveSent,
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
  const allowCors = (path: string): void => {
    if (corsOrigins.length > 0) app.use(path, cors({ origin: [...corsOrigins], ...corsHeaders }));
  };
  for (const endpoint of endpoints) {
    if (endpoint.access === 'key') allowCors(endpoint.path);
    app.on(endpoint.method, [endpoint.path], ...guardsOf(endpoint), (c) => endpoint.handle(c));
  }
  if (forward !== undefined) {
    allowCors('/v1/*');
    app.all('/v1/*', requireApiKey(options.apiKeys, gate), (c) => forward(c));
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
  return [
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
    createVersion(model, engine),
    createHealth({ engine, draining }),
    createServerHealth({ engine, draining }),
    createReadiness(options, readinessOfEngine(options)),
    createMetrics(telemetry),
    createTraceList(telemetry),
    createTrace(telemetry),
    ...createConsoleEndpoints(
      { ...options, readBody },
      { status: createStatus(options, statusOfEngine(options)), hasEngine: true },
    ),
  ];
}

function createBackendEndpoints(options: BackendAppOptions): Endpoint[] {
  const { backend, model, telemetry, draining } = options;
  const readBody = createBodyReader(options.log);
  return [
    createVersion(model),
    createHealth({ engine: backend, draining }, 'backend'),
    createServerHealth({ engine: backend, draining }),
    createReadiness(options, readinessOfBackend(backend)),
    createMetrics(telemetry),
    createTraceList(telemetry),
    createTrace(telemetry),
    ...createConsoleEndpoints(
      { ...options, readBody },
      { status: createStatus(options, statusOfBackend(backend)), hasEngine: false },
    ),
  ];
}

function withOpenApi(endpoints: readonly Endpoint[], options: ServiceOptions): Endpoint[] {
  const { version } = service;
  const secured = options.apiKeys.length > 0;
  return [...endpoints, createOpenApi(endpoints, { version, statusByCode, secured })];
}

/** The guards of an endpoint. Accounting comes first, because it counts a generation from the arrival of its headers. */
function createGuards(
  options: ServiceOptions,
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
    // A forwarded body passes by in pieces.
    ...(method === 'POST' && 'engine' in options ? [limitBody] : []),
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

/** @hono/node-server writes a response of its cache even if headers were sent. Reading the body takes it out of the cache. */
const leaveSent: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await next();
  if (c.env?.outgoing?.headersSent === true) void c.res.body;
};

/** Writes the W3C trace context of the request's server span into the response. */
const nameTrace: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  if (carrier['traceparent'] !== undefined) c.header('traceparent', carrier['traceparent']);
  await next();
};
