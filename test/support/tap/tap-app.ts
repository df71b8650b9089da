/** The service in front of a server, in this process: its routes on a real socket, and its telemetry. */
import { createAdaptorServer } from '@hono/node-server';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metrics, trace } from '@opentelemetry/api';
import { createInferenceTelemetry } from '../../../otel/generation/inference.ts';
import type { Telemetry } from '../../../otel/sdk.ts';
import { noTraces } from '../../../otel/traces/keep-traces.ts';
import { createBackendApp, type BackendAppOptions } from '../../../src/app.ts';
import { createBackend, type Backend } from '../../../src/tap/backend.ts';
import { createBackendModel } from '../../../src/tap/endpoints.ts';
import { until } from '../until.ts';

export interface TapApp {
  url: string;
  backend: Backend;
  log: { facts: Record<string, unknown>; message: string }[];
  shutdown: AbortController;
  close(): void;
}

const noPeers = { prometheus: undefined, alertmanager: undefined, notifier: undefined };

/** For tests of what the client gets. */
export const noTelemetry: Pick<Telemetry, 'meter' | 'tracer' | 'scrape' | 'traces'> = {
  meter: metrics.getMeter('test'),
  tracer: trace.getTracer('test'),
  scrape: async () => ({ status: 200, headers: {}, body: '' }),
  traces: noTraces,
};

export async function startTapApp(
  telemetry: Pick<Telemetry, 'meter' | 'tracer' | 'scrape' | 'traces'>,
  {
    url,
    key,
    timeoutSeconds = 60,
    stallMillis = 60_000,
    ...options
  }: {
    url: string;
    key?: string;
    timeoutSeconds?: number;
    stallMillis?: number;
  } & Partial<Pick<BackendAppOptions, 'apiKeys' | 'corsOrigins' | 'bundleDir'>>,
): Promise<TapApp> {
  const lines: TapApp['log'] = [];
  const record = (facts: object, message: string): void => {
    lines.push({ facts: facts as Record<string, unknown>, message });
  };
  const log = { info: record, error: record };
  const shutdown = new AbortController();
  const backend = createBackend({
    url,
    key,
    timeoutSeconds,
    log,
    onModel: (id) => inference.addModel({ id }),
  });
  const inference = createInferenceTelemetry({
    meter: telemetry.meter,
    tracer: telemetry.tracer,
    isForwarded: true,
    state: () => backend.status().state,
  });
  const app = createBackendApp({
    backend,
    inference,
    telemetry,
    log,
    model: createBackendModel(backend),
    limits: { deadlineSeconds: 60, shutdown: shutdown.signal },
    timeouts: { keepAliveMillis: 1000, stallMillis },
    embeddings: false,
    draining: () => false,
    apiKeys: [],
    metricsToken: undefined,
    host: '127.0.0.1',
    publicHosts: [],
    forwarder: undefined,
    corsOrigins: [],
    peers: noPeers,
    links: { ...noPeers, jaeger: undefined, grafana: undefined },
    notifierToken: undefined,
    queueLimit: 0,
    bundleDir: 'never-built',
    ...options,
  });
  const server = createAdaptorServer({ fetch: app.fetch, hostname: 'localhost' }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await until(() => backend.status().state !== 'loading');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    backend,
    log: lines,
    shutdown,
    close() {
      backend.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}
