/** The notifier's HTTP routes: Alertmanager's webhook, the list of notifications, runbooks, health and metrics. */
import { Hono } from 'hono';
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../otel/logger.ts';
import { answerScrape } from '../../otel/prometheus/exporter.ts';
import type { Telemetry } from '../../otel/sdk.ts';
import { matchBearer } from '../../src/kit/bearer.ts';
import type { Gate } from '../../src/kit/gate.ts';
import { nameRoute } from '../../src/kit/requests.ts';
import type { Intake } from './intake.ts';
import type { Channel } from './channels/channel.ts';
import { createComposer } from './message/compose.ts';
import type { Composer } from './message/compose.ts';
import { headings, writeWhole } from './message/markdown.ts';
import type { MessageOptions } from './message/message.ts';
import { languages, renderRunbook } from './runbook-page.ts';
import type { Route } from './routes.ts';
import { states } from './outbox/outbox.ts';
import type { Notification, Outbox } from './outbox/outbox.ts';
import { queueTest } from './test-message.ts';
import type { TestChannel, TestDeps } from './test-message.ts';
import { traceIdOf } from './traces.ts';
import type { Watchdog } from './watch/watchdog.ts';
import { parseWebhook } from './webhook.ts';

export interface AppDeps {
  gate: Gate;
  outbox: Outbox;
  intake: Intake;
  watchdog: Pick<Watchdog, 'received' | 'lastSeenAt'>;
  /** The bearer token that /alerts and /api require; undefined: no token is required. */
  token: string | undefined;
  message: MessageOptions;
  /** For the templates of channels and routes. */
  channels: readonly (TestChannel & Pick<Channel, 'style' | 'texts'>)[];
  routes: readonly Route[];
  /** For test messages. */
  test: Pick<TestDeps, 'intakeOf' | 'warnings'>;
  /** Called with the channel of a notification that is queued again. */
  onResent: (channel: string) => void;
  telemetry: Pick<Telemetry, 'scrape'>;
  log: Logger;
  draining: () => boolean;
  now?: () => number;
}

const maxListed = 500;
const runbooksDir = join(import.meta.dirname, '../runbooks');

/** Limit of a request body: enough for thousands of alerts, more than Alertmanager sends. */
const maxBodyBytes = 32 * 2 ** 20;

/** Rejects requests from browser pages: only programs post here, so a page with an Origin is a forged request. */
const refusePages: MiddlewareHandler = async (c, next) => {
  if (c.req.header('origin') === undefined) return next();
  return c.json({ error: 'origin: requests from browser pages are not accepted.' }, 403);
};

const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: (c: Context) => c.json({ error: `body: larger than ${maxBodyBytes} bytes.` }, 413),
});

export function createApp(deps: AppDeps) {
  const { outbox, channels } = deps;
  const guard = requireToken(deps.token, deps.gate);
  const composers = new Map(
    channels.map((channel) => [channel.name, createComposer(channel, deps.routes, deps.message)]),
  );
  const removed = createComposer({ name: '' }, [], deps.message);
  const composerOf = (channel: string): Composer => composers.get(channel) ?? removed;
  // These routes never require the token.
  const site = requireOwnHost(deps.gate, { anyName: false });
  const app = new Hono();
  app.use(nameRoute);
  app.post('/alerts/:route', refusePages, guard, limitBody, (c) =>
    acceptWebhook(c, deps, c.req.param('route')),
  );
  app.get('/api/notifications', guard, (c) => listNotifications(c, deps, composerOf));
  app.post('/api/notifications/test', refusePages, guard, limitBody, (c) =>
    queueTest(c, { outbox, channels, composerOf, ...deps.test }),
  );
  app.post('/api/notifications/:id{[0-9]+}/resend', refusePages, guard, (c) =>
    resend(c, deps, Number(c.req.param('id'))),
  );
  app.get('/runbooks', site, async (c) => {
    const pages = (await readdir(runbooksDir)).filter((name) => name.endsWith('.md')).toSorted();
    return c.text(pages.map((page) => `/runbooks/${page.replace('.md', '')}\n`).join(''));
  });
  app.get('/runbooks/:alert{[A-Za-z]+}', site, async (c) => {
    const file = join(runbooksDir, `${c.req.param('alert')}.md`);
    const page = await readFile(file, 'utf8').catch(() => undefined);
    if (page === undefined) return c.text('No such runbook. See /runbooks.\n', 404);
    const language = languages.find((known) => known === c.req.query('lang'));
    const isBrowser = c.req.header('accept')?.includes('text/html') === true;
    if (language === undefined && !isBrowser) return c.text(page);
    return c.html(renderRunbook(page, c.req.param('alert'), language ?? 'en'));
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', site, (c) =>
    deps.draining() ? c.json({ status: 'draining' }, 503) : c.json({ status: 'ready' }),
  );
  app.get('/metrics', site, (c) => answerScrape(deps.telemetry, c.req.raw.headers));
  app.notFound((c) => c.json({ error: 'Not found. Alertmanager posts to /alerts/default.' }, 404));
  app.onError((error, c) => {
    deps.log.error({ err: error }, 'request failed');
    return c.json({ error: 'Internal error; see the log of the notifier.' }, 500);
  });
  return app;
}

function requireOwnHost(gate: Gate, how: { anyName: boolean }): MiddlewareHandler {
  return async function requireOwnHost(c, next) {
    const refusal = gate.checkHost(c, how);
    return refusal === undefined ? next() : c.json({ error: refusal.en }, refusal.status);
  };
}

/** Requires `Authorization: Bearer <token>` when `token` is set, else a name of the notifier as Host. */
function requireToken(token: string | undefined, gate: Gate): MiddlewareHandler {
  if (token === undefined) return requireOwnHost(gate, { anyName: false });
  return async function requireToken(c, next) {
    const refusal = gate.checkHost(c, { anyName: true });
    if (refusal !== undefined) return c.json({ error: refusal.en }, refusal.status);
    const match = matchBearer(c.req.header('authorization'), [token]);
    if ('id' in match) return next();
    c.header('www-authenticate', 'Bearer');
    const error = `authorization: expected "Bearer <NOTIFIER_TOKEN>", got ${match.got}.`;
    return c.json({ error }, 401);
  };
}

async function acceptWebhook(c: Context, { watchdog, intake, log }: AppDeps, route: string) {
  const parsed = parseWebhook(await c.req.text());
  if (parsed.kind === 'refused') return c.json({ error: parsed.sentence }, 400);
  const { payload } = parsed;
  try {
    if (parsed.watchdog) watchdog.received();
    if (payload.alerts.length === 0) return c.json({ status: 'no alerts' });
    const status = intake(payload, route);
    log.info({ status, alerts: payload.alerts.length }, 'webhook');
    return c.json({ status });
  } catch (error) {
    // Alertmanager retries a 5xx, so it keeps the alert until the outbox can store it.
    log.error({ err: error }, 'cannot store a webhook');
    return c.json({ error: 'Cannot store the alert. Check the disk, then send it again.' }, 503);
  }
}

function listNotifications(
  c: Context,
  { outbox, watchdog }: AppDeps,
  composerOf: (channel: string) => Composer,
) {
  const limit = Math.min(Number(c.req.query('limit')) || 100, maxListed);
  const wanted = c.req.query('state');
  const state = states.find((known) => known === wanted);
  if (wanted !== undefined && state === undefined) {
    return c.json({ error: `state: expected one of ${states.join(', ')}.` }, 400);
  }
  const notifications = outbox.list(Math.max(1, Math.floor(limit)), state);
  return c.json({
    watchdog: { lastSeenAt: toTime(watchdog.lastSeenAt()) },
    notifications: notifications.map((one) => describe(one, composerOf(one.channel))),
  });
}

function resend(c: Context, deps: AppDeps, id: number) {
  const { outbox, log, onResent, now = Date.now } = deps;
  const [notification] = outbox.read([id]);
  const status = outbox.resend(id, now());
  if (status === 'unknown' || notification === undefined) {
    return c.json({ error: 'No notification has this id.' }, 404);
  }
  if (status === 'not_dead') {
    return c.json({ error: `state: expected dead, got ${notification.state}.` }, 409);
  }
  log.info({ notification: id, channel: notification.channel }, 'dead notification queued again');
  onResent(notification.channel);
  return c.json({ status }, 202);
}

/** Converts a notification for /api/notifications: times become text, the message and the names of its alerts replace the payload. */
function describe(notification: Notification, compose: Composer) {
  const { payload, progress: _, traceparent, ...facts } = notification;
  const { message } = compose([notification]);
  return {
    ...facts,
    receivedAt: toTime(facts.receivedAt),
    queuedAt: toTime(facts.queuedAt),
    nextAttemptAt: toTime(facts.nextAttemptAt),
    finishedAt: toTime(facts.finishedAt),
    traceId: traceIdOf(traceparent),
    message: { title: message.title, text: writeWhole(message, headings) },
    alerts: payload.alerts.map(({ status, labels, annotations, startsAt, endsAt }) => ({
      status,
      labels,
      summary: annotations['summary'] ?? '',
      summaryZh: annotations['summary_zh'] ?? annotations['summary'] ?? '',
      startsAt,
      endsAt,
    })),
  };
}

const toTime = (millis: number | null = null) => millis && new Date(millis).toISOString();
