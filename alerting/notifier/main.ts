/** The notifier's composition root: settings, outbox, one worker a channel, server, and an orderly end on SIGTERM. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import { observeServer } from '../../otel/http.ts';
import { createLogger } from '../../otel/logger.ts';
import { currentTelemetry } from '../../otel/sdk.ts';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { renderMessage } from './message.ts';
import type { Message } from './message.ts';
import { observeNotifier } from './metrics.ts';
import { openOutbox } from './outbox.ts';
import { parseWebhook } from './webhook.ts';
import { startWorker } from './worker.ts';

const graceMillis = 5000;

const log = createLogger({ name: 'notifier' });

function fail(error: unknown): never {
  log.fatal(error instanceof Error ? error.message : 'the notifier failed');
  process.exit(1);
}

function orFail<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    return fail(error);
  }
}

process.on('unhandledRejection', fail);

const config = orFail(() => readConfig(process.env));
const outbox = orFail(() => openOutbox({ path: config.db }));
const names = config.channels.map(({ name }) => name);
const retired = orFail(() => outbox.retire(names, Date.now()));
if (retired > 0)
  log.error({ retired }, 'notifications of channels that are no longer set are dead');

function render(payload: string): Message {
  const parsed = parseWebhook(payload);
  if (parsed.kind === 'refused') throw new Error('the outbox holds a payload that cannot be read');
  return renderMessage(parsed.payload, config);
}

const telemetry = currentTelemetry();
const onDelivery = observeNotifier(telemetry.meter, names, outbox);
const workers = new Map(
  config.channels.map((channel) => [
    channel.name,
    startWorker({ channel, outbox, render, onDelivery, log }),
  ]),
);

let draining = false;
const app = createApp({
  outbox,
  routes: config.routes,
  token: config.token,
  render,
  onAccepted: (channels) => channels.forEach((name) => workers.get(name)?.wake()),
  telemetry,
  log,
  draining: () => draining,
});

const server = createAdaptorServer({ fetch: app.fetch }) as Server;
observeServer(server);
server.on('error', (error: NodeJS.ErrnoException) => {
  const taken = `NOTIFIER_PORT: expected a free port, ${config.port} is in use. Set NOTIFIER_PORT to another.`;
  fail(error.code === 'EADDRINUSE' ? new Error(taken) : error);
});
server.listen(config.port, config.host, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  const { host, locale, timeZone } = config;
  log.info({ host, port, locale, time_zone: timeZone, channels: names }, 'listening');
});

/** Takes no more webhooks, lets running deliveries end; what is still owed is in the outbox. */
async function drain(): Promise<void> {
  if (draining) return;
  draining = true;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), graceMillis);
  await Promise.all([closed, ...[...workers.values()].map((worker) => worker.stop(graceMillis))]);
  clearTimeout(force);
  outbox.close();
  await telemetry.shutdown();
  log.info('stopped');
  process.exit(0);
}

process.on('SIGTERM', () => void drain());
process.on('SIGINT', () => void drain());
