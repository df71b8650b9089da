/** The notifier's routes: Alertmanager's webhook in, what became of each notification out. */
import { Hono } from 'hono';
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setRoute } from '../../otel/http.ts';
import type { Logger } from '../../otel/logger.ts';
import type { Telemetry } from '../../otel/sdk.ts';
import { fitMarkdown } from './message.ts';
import type { Message } from './message.ts';
import type { Notification, Outbox } from './outbox.ts';
import { idempotencyKey, parseWebhook } from './webhook.ts';

export interface AppDeps {
  outbox: Outbox;
  /** Route of the webhook URL → names of its channels. */
  routes: ReadonlyMap<string, readonly string[]>;
  token: string | undefined;
  render: (payload: string) => Message;
  /** A webhook was persisted for these channels. */
  onAccepted: (channels: readonly string[]) => void;
  telemetry: Pick<Telemetry, 'scrape'>;
  log: Logger;
  draining: () => boolean;
  now?: () => number;
}

/** Thousands of alerts fit; what is larger is no webhook of Alertmanager's. */
const maxBodyBytes = 32 * 2 ** 20;
const maxListed = 500;
const runbooksDir = join(import.meta.dirname, '../runbooks');

export function createApp(deps: AppDeps) {
  const { outbox, log, now = Date.now } = deps;
  let watchdogAt: number | undefined;
  const app = new Hono();
  app.use(nameRoute);

  app.post('/alerts/:route', refusePages, requireToken(deps.token), limitBody, async (c) => {
    const parsed = parseWebhook(await c.req.text());
    if (parsed.kind === 'refused') return c.json({ error: parsed.sentence }, 400);
    const { payload, watchdog } = parsed;
    if (watchdog) watchdogAt = now();
    if (payload.alerts.length === 0) return c.json({ status: 'nothing to tell' });
    const { route, channels } = channelsOf(deps, c.req.param('route'));
    const incoming = {
      route,
      key: idempotencyKey(route, payload),
      groupKey: payload.groupKey,
      payload: JSON.stringify(payload),
      channels,
    };
    try {
      const status = outbox.accept(incoming, now());
      log.info({ route, status, alerts: payload.alerts.length }, 'webhook');
      if (status === 'accepted') deps.onAccepted(channels);
      return c.json({ status });
    } catch (error) {
      // Alertmanager retries on 5xx: the alert stays with it until we have a disk to keep it on.
      log.error({ route, err: error }, 'a webhook cannot be persisted');
      return c.json(
        { error: 'The alert cannot be persisted now. Free the disk; send it again.' },
        503,
      );
    }
  });

  app.get('/api/notifications', requireToken(deps.token), (c) => {
    const limit = Math.min(Number(c.req.query('limit')) || 100, maxListed);
    const notifications = outbox.list(Math.max(1, Math.floor(limit)));
    return c.json({
      watchdog: { lastSeenAt: toTime(watchdogAt) },
      notifications: notifications.map((notification) => describe(notification, deps.render)),
    });
  });

  app.get('/runbooks/:alert{[A-Za-z]+}', async (c) => {
    const page = await readFile(join(runbooksDir, `${c.req.param('alert')}.md`), 'utf8').catch(
      () => undefined,
    );
    if (page === undefined) return c.text(`There is no runbook of this name.\n`, 404);
    return c.text(page);
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    return deps.draining() ? c.json({ status: 'draining' }, 503) : c.json({ status: 'ready' });
  });
  app.get('/metrics', async (c) => {
    const { status, headers, body } = await deps.telemetry.scrape({
      accept: c.req.header('accept'),
      acceptEncoding: c.req.header('accept-encoding'),
    });
    return new Response(typeof body === 'string' ? body : new Uint8Array(body), {
      status,
      headers,
    });
  });
  app.notFound((c) => {
    return c.json({ error: 'There is nothing here. Alertmanager posts to /alerts/default.' }, 404);
  });
  app.onError((error, c) => {
    log.error({ err: error }, 'a request failed');
    return c.json({ error: 'The notifier failed; its log says why.' }, 500);
  });
  return app;
}

/** A route that nobody configured is a typing error in alertmanager.yml: the alert goes the default way, not lost. */
function channelsOf(
  { routes, log }: AppDeps,
  asked: string,
): { route: string; channels: readonly string[] } {
  const channels = routes.get(asked);
  if (channels !== undefined) return { route: asked, channels };
  log.warn({ known: [...routes.keys()] }, 'a webhook came for an unknown route; default is used');
  return { route: 'default', channels: routes.get('default') ?? [] };
}

function describe(notification: Notification, render: (payload: string) => Message) {
  const { payload, receivedAt, nextAttemptAt, finishedAt, ...facts } = notification;
  const message = render(payload);
  return {
    ...facts,
    receivedAt: toTime(receivedAt),
    nextAttemptAt: toTime(nextAttemptAt),
    finishedAt: toTime(finishedAt),
    message: { title: message.title, text: fitMarkdown(message, Number.POSITIVE_INFINITY) },
  };
}

function toTime(millis: number | null | undefined): string | null {
  return millis === null || millis === undefined ? null : new Date(millis).toISOString();
}

const nameRoute: MiddlewareHandler = async (c, next) => {
  const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
  if (route !== undefined) setRoute(route.path);
  await next();
};

/** No page writes here: a browser that tries was led to it by somebody else's. */
const refusePages: MiddlewareHandler = async (c, next) => {
  if (c.req.header('origin') === undefined) return next();
  return c.json({ error: 'origin: expected none; alerts do not come from pages.' }, 403);
};

const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: (c: Context) =>
    c.json({ error: `body: expected at most ${maxBodyBytes} bytes, got more.` }, 413),
});

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that the time taken tells nothing about the token. */
function requireToken(token: string | undefined): MiddlewareHandler {
  return async function requireToken(c, next) {
    if (token === undefined) return next();
    const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return next();
    c.header('www-authenticate', 'Bearer');
    const error = `authorization: expected "Bearer <NOTIFIER_TOKEN>", got ${given ? 'another' : 'none'}.`;
    return c.json({ error }, 401);
  };
}
