/** The notifier's composition root: settings, outbox, one worker a channel, what watches, server, and an orderly end on SIGTERM. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import { observeServer } from '../../otel/http.ts';
import { createLogger } from '../../otel/logger.ts';
import { currentTelemetry } from '../../otel/sdk.ts';
import { createApp } from './app.ts';
import { repeat, systemClock } from './clock.ts';
import { readConfig } from './config.ts';
import { heartbeatMillis, sendHeartbeat } from './watch/heartbeat.ts';
import { createIntake } from './intake.ts';
import { observeNotifier } from './metrics.ts';
import { openOutbox } from './outbox/outbox.ts';
import { reconcile } from './watch/reconcile.ts';
import { renderNotifications } from './message/render.ts';
import { traceAttempt } from './traces.ts';
import { createWatchdog } from './watch/watchdog.ts';
import { startWorker } from './outbox/worker.ts';

const graceMillis = 5000;
const watchdogMillis = 1000;
/** Some megabytes of log at the most in a storm, and no more than one request in a thousand that waits for it. */
const checkpointMillis = 10_000;

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

const { now } = systemClock;
const config = orFail(() => readConfig(process.env));
const outbox = orFail(() => openOutbox({ path: config.db }));
const { heard } = outbox;
const names = config.channels.map(({ name }) => name);
const retired = orFail(() => outbox.retire(names, now()));
if (retired > 0)
  log.error({ retired }, 'notifications of channels that are no longer set are dead');

const telemetry = currentTelemetry();
const { tracer } = telemetry;
const intake = createIntake({
  outbox,
  routes: config.routes,
  channels: names,
  tracer,
  onAccepted: (channels) => channels.forEach(wake),
  now,
});
const watchdog = createWatchdog({
  heard,
  tell: intake,
  silenceSeconds: config.watchdogSeconds,
  runbookUrl: `${config.url}/runbooks`,
  now,
});
const onDelivery = observeNotifier(telemetry.meter, {
  channels: names,
  outbox,
  watchdogAt: () => watchdog.waitingSince(),
});
const render = (notifications: Parameters<typeof renderNotifications>[0]) =>
  renderNotifications(notifications, config);
const workers = new Map(
  config.channels.map((channel) => [
    channel.name,
    startWorker({
      channel,
      outbox,
      render,
      trace: (notifications, attempt) => traceAttempt(tracer, notifications, attempt),
      onDelivery,
      log,
    }),
  ]),
);

function wake(channel: string): void {
  workers.get(channel)?.wake();
}

const stops = [
  repeat(systemClock, checkpointMillis, () => {
    try {
      outbox.checkpoint();
    } catch (error) {
      // What is in the log is as safe there as in the file.
      log.warn({ err: error }, 'the log of the outbox cannot be moved into its file; trying again');
    }
  }),
  repeat(systemClock, watchdogMillis, () => {
    try {
      watchdog.check();
    } catch (error) {
      log.error({ err: error }, 'the silence of the watchdog cannot be persisted; trying again');
    }
  }),
];
const { prometheusUrl: prometheus, alertmanagerUrl: alertmanager, heartbeatUrl } = config;
const graceSeconds = config.reconcileSeconds;
if (prometheus !== undefined && alertmanager !== undefined && graceSeconds > 0) {
  const options = { prometheus, alertmanager, heard, tell: intake, log, graceSeconds, now };
  stops.push(repeat(systemClock, Math.max(1, graceSeconds / 10) * 1000, () => reconcile(options)));
}
if (heartbeatUrl !== undefined) {
  const ping = () => sendHeartbeat(heartbeatUrl, { heard, log, now });
  stops.push(repeat(systemClock, heartbeatMillis, ping));
}

let draining = false;
const app = createApp({
  outbox,
  intake,
  watchdog,
  token: config.token,
  render,
  onResent: wake,
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
  await Promise.all([
    closed,
    ...[...workers.values()].map((worker) => worker.stop(graceMillis)),
    // A check that waits for Prometheus is not waited for: what it finds, the next life finds.
    Promise.race([Promise.all(stops.map((stop) => stop())), closed]),
  ]);
  clearTimeout(force);
  outbox.close();
  await telemetry.shutdown();
  log.info('stopped');
  process.exit(0);
}

process.on('SIGTERM', () => void drain());
process.on('SIGINT', () => void drain());
