/** The chat service's composition root: settings, engine, server, and an orderly end on SIGTERM. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import path from 'node:path';
import { initialiseHttpSeries, observeServer } from '../otel/http.ts';
import { createInferenceTelemetry } from '../otel/generation/inference.ts';
import { createLogger } from '../otel/logger.ts';
import { generationRoutes, initialStatusCodes } from '../otel/names.ts';
import { observeProcess } from '../otel/process/process.ts';
import { currentTelemetry } from '../otel/sdk.ts';
import { defaultTimeouts } from './api/run/request-limits.ts';
import { createApp } from './app.ts';
import { readConfig, type Config } from './config.ts';
import { bundleDir } from './console/server/page.ts';
import { createDrain } from './drain.ts';
import { createHost } from './engine/host/host.ts';
import type { EngineFacts } from './engine/engine.ts';
import { ChatError } from './errors.ts';
import { resolveLocalModel } from './models/catalogue.ts';

/**
 * A client that keeps its connections must be the first to close one: a request that meets the server's end is lost. nginx keeps
 * idle ones for 60 s (https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_timeout), Python's httpx for 5 s
 * (https://www.python-httpx.org/advanced/resource-limits), which is also Node's own for a server.
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
const model = await resolveLocalModel({ model: config.model, modelsDir: config.modelsDir }).catch(
  fail,
);
if (model.notice !== undefined) log.warn(model.notice);

const telemetry = currentTelemetry();
initialiseHttpSeries(generationRoutes, initialStatusCodes);
const inference = createInferenceTelemetry({
  meter: telemetry.meter,
  tracer: telemetry.tracer,
  model: model.id,
  contextTokens: () => engine.contextTokensInUse(),
  ready: () => engine.status().state === 'ready' && !draining,
});
const engine = createHost({
  ...config,
  modelPath: model.path,
  log,
  onReady: describeModel,
  onBatch: (batch) => inference.batch(batch),
});
observeProcess(telemetry.meter, { role: 'api', engine: () => engine.status().pid });

const shutdown = new AbortController();
let draining = false;
const app = createApp({
  engine,
  inference,
  log,
  telemetry,
  model: { ...model, aliases: fileNames(model.path), anyModel: config.anyModel },
  limits: { deadlineSeconds: config.deadlineSeconds, shutdown: shutdown.signal },
  timeouts: defaultTimeouts,
  embeddings: config.embeddings,
  apiKeys: config.apiKeys,
  metricsToken: config.metricsToken,
  console: {
    host: config.host,
    peers: config.peers,
    links: config.links,
    notifierToken: config.notifierToken,
    queueLimit: config.queueLimit,
    bundleDir,
  },
  draining: () => draining,
});

const server = createAdaptorServer({
  fetch: app.fetch,
  serverOptions: { keepAliveTimeout: keepAliveMillis },
}) as Server;
observeServer(server);
const drain = createDrain(server);
server.on('error', (error: NodeJS.ErrnoException) => {
  const taken = `CHAT_PORT: expected a free port, ${config.port} is in use. Set CHAT_PORT to another.`;
  fail(error.code === 'EADDRINUSE' ? new Error(taken) : error);
});
server.listen(config.port, config.host, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  log.info({ host: config.host, port, model: model.id, demo: model.demo }, 'listening');
});

/** What a client may call the model beside its id. */
function fileNames(file: string): string[] {
  return [path.basename(file), path.basename(file, '.gguf')];
}

function describeModel(facts: EngineFacts): void {
  inference.setModel({
    id: model.id,
    architecture: facts.model.architecture,
    quantization: facts.model.quantization,
    parameters: String(facts.model.parameters),
    context: facts.contextTokens,
    sha256: model.sha256,
    loadSeconds: facts.loadSeconds,
  });
  inference.setLimits({
    queue: config.queueLimit,
    sequences: facts.sequences,
    contextTokens: facts.sequences * facts.contextTokens,
  });
}

/** No new requests; running ones have the grace period; then everything that is left is told and ended. */
async function stop(): Promise<void> {
  if (draining) return;
  draining = true;
  const { graceSeconds } = config;
  log.info({ pending: engine.pending(), grace_seconds: graceSeconds }, 'draining');
  await drain.end({
    graceSeconds,
    interrupt() {
      const message = 'The service is shutting down. Try again in a few seconds.';
      shutdown.abort(new ChatError('shutdown', message, { retryAfterSeconds: 5 }));
    },
  });
  await engine.stop();
  await telemetry.shutdown();
  log.info('stopped');
  process.exit(0);
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
