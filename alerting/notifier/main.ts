/** The notifier's composition root: Alertmanager's webhook → outbox → channels. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import { observeServer } from '../../otel/http.ts';
import { createInstruments } from '../../otel/instruments.ts';
import { createLogger } from '../../otel/logger.ts';
import { attributes as a } from '../../otel/names.ts';
import { currentTelemetry } from '../../otel/sdk.ts';
import { createNotifierApp } from './app.ts';
import { createDingTalk } from './channels/dingtalk.ts';
import { createInbox } from './channels/inbox.ts';
import { readNotifierConfig, type NotifierConfig } from './config.ts';
import { startDelivery } from './delivery.ts';
import { openOutbox } from './outbox.ts';

const log = createLogger({ name: 'notifier' });

function fail(error: unknown): never {
  log.fatal(error instanceof Error ? error.message : String(error));
  process.exit(1);
}

process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);

function createChannels(config: NotifierConfig) {
  const robots = config.dingtalk === undefined ? [] : [createDingTalk(config.dingtalk)];
  return robots.length > 0
    ? robots
    : [createInbox({ log: (facts, message) => log.info(facts, message) })];
}

const config = readNotifierConfig(process.env);
const telemetry = currentTelemetry();
const outbox = openOutbox(config.db);
const channels = createChannels(config);
const instruments = createInstruments(telemetry.meter);
for (const channel of channels) {
  for (const outcome of ['delivered', 'retried', 'dead']) {
    instruments.zero('notifierNotifications', { [a.channel]: channel.name, [a.outcome]: outcome });
  }
}
instruments.observe('notifierPendingAge', (result) => {
  const oldest = outbox.oldestPendingAt();
  result.observe(oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest) / 1000));
});

const delivery = startDelivery({
  outbox,
  channels,
  onOutcome(channel, outcome, facts) {
    instruments.add('notifierNotifications', 1, { [a.channel]: channel, [a.outcome]: outcome });
    log[outcome === 'delivered' ? 'info' : 'warn']({ channel, ...facts }, outcome);
  },
});
const app = createNotifierApp({
  ...config,
  outbox,
  telemetry,
  channels: channels.map(({ name }) => name),
  onAdded(facts) {
    log.info(facts, 'webhook');
    delivery.wake();
  },
});
const server = createAdaptorServer({ fetch: app.fetch }) as Server;
observeServer(server);
server.on('error', fail);
server.listen(config.port, config.host, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : config.port;
  log.info({ host: config.host, port, channels: channels.map(({ name }) => name) }, 'listening');
});

async function stop(): Promise<void> {
  server.close();
  server.closeIdleConnections();
  await delivery.stop();
  outbox.close();
  await telemetry.shutdown();
  process.exit(0);
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
