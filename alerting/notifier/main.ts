/** Starts the notifier: outbox, one worker per channel, periodic checks and the HTTP server. Stops them in order on SIGTERM. */
import { createAdaptorServer } from '@hono/node-server';
import type { Server } from 'node:http';
import { observeServer } from '../../otel/http.ts';
import { createLogger } from '../../otel/logger.ts';
import { currentTelemetry } from '../../otel/sdk.ts';
import { createGate } from '../../src/kit/gate.ts';
import { createApp } from './app.ts';
import { repeat, systemClock } from './clock.ts';
import { readConfig } from './config.ts';
import type { Config } from './config.ts';
import { createIntake } from './intake.ts';
import type { Intake } from './intake.ts';
import { observeNotifier } from './metrics.ts';
import { openOutbox } from './outbox/outbox.ts';
import type { Outbox } from './outbox/outbox.ts';
import { startWorker } from './outbox/worker.ts';
import type { Worker } from './outbox/worker.ts';
import { useProxy } from './proxy.ts';
import { createDeadLetters } from './watch/dead-letters.ts';
import { heartbeatMillis, sendHeartbeat } from './watch/heartbeat.ts';
import { createReconciliation } from './watch/reconcile.ts';
import { createWatchdog } from './watch/watchdog.ts';
import type { Watchdog } from './watch/watchdog.ts';

/** Grace period of running deliveries and open connections when the notifier stops. */
const graceMillis = 5000;
const watchdogMillis = 1000;
/** Interval of checkpoints: keeps the write-ahead log at some megabytes under many alerts, and delays fewer than 1 in 1,000 requests. */
const checkpointMillis = 10_000;

const log = createLogger({ name: 'notifier' });
const now = Date.now;

function fail(error: unknown): never {
  log.fatal(error instanceof Error ? error.message : 'the notifier failed');
  process.exit(1);
}

process.on('unhandledRejection', fail);
try {
  start(readConfig(process.env));
} catch (error) {
  fail(error);
}

function start(config: Config): void {
  const { routes } = config;
  const warnings = [...config.warnings, useProxy(process.env).warning].filter(
    (warning) => warning !== undefined,
  );
  for (const warning of warnings) log.warn(warning);
  const telemetry = currentTelemetry();
  const { tracer } = telemetry;
  const outbox = openOutbox({ path: config.db });
  const channels = config.channels.map(({ name }) => name);
  const retired = outbox.retireChannels(channels, now());
  if (retired > 0) log.error({ retired }, 'notifications for removed channels are dead');

  const workers = new Map<string, Worker>();
  const wake = (channel: string): void => workers.get(channel)?.wake();
  const onAccepted = (accepted: readonly string[]): void => accepted.forEach(wake);
  const intakeOptions = { outbox, routes, channels, tracer, onAccepted, now };
  const intake = createIntake(intakeOptions);
  const watchdog = createWatchdog({
    marks: outbox.marks,
    intake,
    silenceSeconds: config.watchdogSeconds,
    runbookUrl: `${config.url}/runbooks`,
    now,
    elapsed: systemClock.elapsed,
  });
  const onDelivery = observeNotifier(telemetry.meter, { channels, outbox, watchdog });
  const onDead = createDeadLetters({ marks: outbox.marks, intake, now });
  for (const channel of config.channels) {
    const options = { channel, outbox, message: config, routes, tracer, onDelivery, onDead, log };
    workers.set(channel.name, startWorker(options));
  }

  const stopping = new AbortController();
  const { signal } = stopping;
  const checks = startChecks({ config, outbox, intake, watchdog, signal });
  const app = createApp({
    gate: createGate({ names: config.names, setting: 'NOTIFIER_PUBLIC_HOST' }),
    outbox,
    intake,
    watchdog,
    token: config.token,
    message: config,
    routes,
    channels: config.channels,
    test: {
      warnings,
      intakeOf: (channel) => createIntake({ ...intakeOptions, channels: [channel] }),
    },
    onResent: wake,
    telemetry,
    log,
    draining: () => signal.aborted,
  });
  // `hostname`: for requests without Host, which HTTP/1.0 allows.
  const options = { fetch: app.fetch, hostname: 'localhost' };
  const server = listen(config, createAdaptorServer(options) as Server);

  async function stop(): Promise<void> {
    if (signal.aborted) return;
    stopping.abort();
    await drain(server, [...workers.values()], checks);
    outbox.close();
    await telemetry.shutdown();
    log.info('stopped');
    process.exit(0);
  }
  process.on('SIGTERM', () => void stop());
  process.on('SIGINT', () => void stop());
}

interface Parts {
  config: Config;
  outbox: Outbox;
  intake: Intake;
  watchdog: Watchdog;
  signal: AbortSignal;
}

/** Starts everything that runs periodically until `signal` aborts. Resolves when every run has ended. */
async function startChecks({ config, outbox, intake, watchdog, signal }: Parts): Promise<void> {
  const { prometheusUrl: prometheus, alertmanagerUrl: alertmanager, heartbeatUrl } = config;
  const graceSeconds = config.reconcileSeconds;
  const checks = [
    repeat(
      checkpointMillis,
      () => outbox.checkpoint(),
      (err) =>
        log.warn({ err }, 'checkpoint failed; the write-ahead log keeps the data; will retry'),
      signal,
    ),
    repeat(
      watchdogMillis,
      () => watchdog.check(),
      (err) => log.error({ err }, 'cannot store the alert about the missing Watchdog; will retry'),
      signal,
    ),
  ];
  if (prometheus !== undefined && alertmanager !== undefined && graceSeconds > 0) {
    const options = { prometheus, alertmanager, outbox, intake, log, graceSeconds };
    const everyMillis = Math.max(1, graceSeconds / 10) * 1000;
    checks.push(repeat(everyMillis, createReconciliation(options), fail, signal));
  }
  if (heartbeatUrl !== undefined) {
    const ping = () => sendHeartbeat(heartbeatUrl, { marks: outbox.marks, log });
    checks.push(repeat(heartbeatMillis, ping, fail, signal));
  }
  await Promise.all(checks);
}

function listen(config: Config, server: Server): Server {
  observeServer(server);
  server.on('error', (error: NodeJS.ErrnoException) => {
    const inUse = `NOTIFIER_PORT: ${config.port} is in use. Set NOTIFIER_PORT to a free port.`;
    fail(error.code === 'EADDRINUSE' ? new Error(inUse) : error);
  });
  server.listen(config.port, config.host, () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : config.port;
    const { host, locale, timeZone } = config;
    const channels = config.channels.map(({ name }) => name);
    log.info({ host, port, locale, time_zone: timeZone, channels }, 'listening');
  });
  return server;
}

/** Accepts no more webhooks and waits for running deliveries. Other notifications stay pending in the outbox. */
async function drain(server: Server, workers: Worker[], checks: Promise<void>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), graceMillis);
  await Promise.all([
    closed,
    ...workers.map((worker) => worker.stop(graceMillis)),
    // Do not wait for a running reconciliation: the next start repeats it.
    Promise.race([checks, closed]),
  ]);
  clearTimeout(force);
}
