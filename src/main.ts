/** Starts the chat service: configuration, engine or backend, server, and a graceful shutdown on SIGTERM. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import path from 'node:path';
import { initialiseHttpSeries, observeServer } from '../otel/http.ts';
import { createInferenceTelemetry, type InferenceTelemetry } from '../otel/generation/inference.ts';
import { createLogger } from '../otel/logger.ts';
import { generationRoutes, initialStatusCodes } from '../otel/names.ts';
import { observeProcess } from '../otel/process/process.ts';
import { currentTelemetry } from '../otel/sdk.ts';
import { defaultTimeouts } from './api/run/request-limits.ts';
import { createApp, createBackendApp } from './app.ts';
import { readConfig, type BackendConfig, type Config } from './config.ts';
import { bundleDir } from './console/server/page.ts';
import { createDrain } from './drain.ts';
import { createHost } from './engine/host/host.ts';
import type { EngineFacts } from './engine/engine.ts';
import { createShutdownError } from './errors.ts';
import { resolveLocalModel, type ResolvedModel } from './models/catalogue.ts';
import { createBackend } from './tap/backend.ts';
import { createBackendModel } from './tap/endpoints.ts';

/**
 * Longer than clients keep idle connections, because a request sent while the server closes one is lost. nginx keeps them 60 s
 * (https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_timeout), Python's httpx 5 s
 * (https://www.python-httpx.org/advanced/resource-limits). Node's default for a server is 5 s.
 */
const keepAliveMillis = 75_000;

const log = createLogger({ name: 'chat' });

function fail(error: unknown): never {
  log.fatal(error instanceof Error ? error.message : String(error));
  process.exit(1);
}

process.on('unhandledRejection', fail);

function readConfigOrFail(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    return fail(error);
  }
}

const config = readConfigOrFail();
const telemetry = currentTelemetry();
const shutdown = new AbortController();
let draining = false;

/** What answers behind the API. */
interface Service {
  fetch: ReturnType<typeof createApp>['fetch'];
  /** For the log. */
  about: object;
  /** Process id of the engine. */
  enginePid?: () => number | undefined;
  pending: () => number;
  stop: () => Promise<void>;
}

const { backend: backendConfig } = config;
const service =
  backendConfig === undefined ? await startEngine().catch(fail) : startTap(backendConfig);
observeProcess(telemetry.meter, {
  role: 'api',
  ...(service.enginePid !== undefined && { engine: service.enginePid }),
});

/** Options of the app of both kinds of service. */
function appOptions() {
  return {
    ...config,
    log,
    telemetry,
    limits: { deadlineSeconds: config.deadlineSeconds, shutdown: shutdown.signal },
    timeouts: defaultTimeouts,
    bundleDir,
    draining: () => draining,
  };
}

/** An engine of our own. @throws Error if there is no model. */
async function startEngine(): Promise<Service> {
  const { model: name, modelsDir } = config;
  const model = await resolveLocalModel({ model: name, modelsDir });
  if (model.notice !== undefined) log.warn(model.notice);
  initialiseHttpSeries(generationRoutes, initialStatusCodes);
  const inference = createInferenceTelemetry({
    meter: telemetry.meter,
    tracer: telemetry.tracer,
    model: model.id,
    contextTokens: () => engine.contextTokensInUse(),
    state: () => (draining ? 'draining' : engine.status().state),
  });
  const engine = createHost({
    ...config,
    modelPath: model.path,
    log,
    onReady: (facts) => describeModel(inference, model, facts),
    onBatch: (batch) => inference.batch(batch),
    onThreads: (threads) => inference.threads(threads),
    onPrefixes: (report) => inference.prefixes(report),
  });
  const app = createApp({
    ...appOptions(),
    engine,
    inference,
    model: {
      ...model,
      aliases: [path.basename(model.path), path.basename(model.path, '.gguf')],
      strict: config.strictModel,
      lenientTools: config.lenientTools ?? model.lenientTools,
    },
  });
  return {
    fetch: app.fetch,
    about: { model: model.id, demo: model.demo },
    enginePid: () => engine.status().pid,
    pending: () => engine.pending(),
    stop: () => engine.stop(),
  };
}

/** In front of the server of BACKEND_URL. */
function startTap(given: BackendConfig): Service {
  const routes = generationRoutes.filter((route) => route.startsWith('/v1/'));
  initialiseHttpSeries(routes, [...initialStatusCodes, 502, 504]);
  const backend = createBackend({
    ...given,
    log,
    onModel: (id) => inference.addModel({ id }),
  });
  const inference = createInferenceTelemetry({
    meter: telemetry.meter,
    tracer: telemetry.tracer,
    isForwarded: true,
    state: () => (draining ? 'draining' : backend.status().state),
  });
  const model = createBackendModel(backend);
  const app = createBackendApp({ ...appOptions(), backend, inference, model });
  return {
    fetch: app.fetch,
    about: { backend: given.url },
    pending: () => backend.pending(),
    stop: async () => backend.stop(),
  };
}

const server = createAdaptorServer({
  fetch: service.fetch,
  // For requests without Host, which HTTP/1.0 allows.
  hostname: 'localhost',
  serverOptions: { keepAliveTimeout: keepAliveMillis },
}) as Server;
observeServer(server);
const drain = createDrain(server);
server.on('error', (error: NodeJS.ErrnoException) => {
  const taken = `CHAT_PORT: port ${config.port} is in use. Set CHAT_PORT to another one.`;
  fail(error.code === 'EADDRINUSE' ? new Error(taken) : error);
});
server.listen(config.port, config.host, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  log.info({ host: config.host, port, ...service.about }, 'listening');
});

function describeModel(
  inference: InferenceTelemetry,
  { id, sha256 }: ResolvedModel,
  facts: EngineFacts,
): void {
  inference.setModel({
    id,
    architecture: facts.model.architecture,
    quantization: facts.model.quantization,
    parameters: String(facts.model.parameters),
    context: facts.contextTokens,
    sha256,
    loadSeconds: facts.loadSeconds,
  });
  inference.setLimits({
    queue: config.queueLimit,
    sequences: facts.sequences,
    contextTokens: facts.sequences * facts.contextTokens,
  });
}

/** Refuses new requests, waits for running requests during the grace period, then interrupts the remaining requests. */
async function stop(): Promise<void> {
  if (draining) return;
  draining = true;
  const { graceSeconds } = config;
  log.info({ pending: service.pending(), grace_seconds: graceSeconds }, 'draining');
  await drain.end({
    graceSeconds,
    interrupt: () => shutdown.abort(createShutdownError()),
  });
  await service.stop();
  await telemetry.shutdown();
  log.info('stopped');
  process.exit(0);
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
