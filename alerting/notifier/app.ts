/** The notifier's doors: Alertmanager's webhook in, notifications and health out. */
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import { createHash, timingSafeEqual } from 'node:crypto';
import { setRoute } from '../../otel/http.ts';
import type { Telemetry } from '../../otel/sdk.ts';
import { toMessage, type Locale } from './message.ts';
import type { Outbox } from './outbox.ts';
import { idempotencyKey, Webhook } from './webhook.ts';

export interface NotifierDeps {
  outbox: Outbox;
  /** Names of the channels that a message to `default` goes to. */
  channels: readonly string[];
  locale: Locale;
  timeZone: string;
  token: string | undefined;
  telemetry: Pick<Telemetry, 'scrape'>;
  onAdded(facts: { alerts: number; status: string; added: boolean }): void;
}

const longestBodyBytes = 16 * 1024 * 1024;
const mostListed = 200;

export function createNotifierApp(deps: NotifierDeps) {
  const app = new Hono();
  app.use(async (c, next) => {
    const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
    if (route !== undefined) setRoute(route.path);
    await next();
  });
  const guard = requireToken(deps.token);
  app.post('/alerts/:route', guard, bodyLimit({ maxSize: longestBodyBytes }), async (c) => {
    if (c.req.param('route') !== 'default') {
      return c.json({ error: 'route: expected "default", the only one there is.' }, 404);
    }
    const parsed = Webhook.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      const what = `${issue.path.join('.') || 'body'}: ${issue.message}`;
      return c.json({ error: `Expected Alertmanager's webhook payload, version 4. ${what}` }, 400);
    }
    const webhook = parsed.data;
    try {
      const message = toMessage(webhook, deps);
      const added = deps.outbox.add(idempotencyKey(webhook), deps.channels, message, Date.now());
      deps.onAdded({ alerts: webhook.alerts.length, status: webhook.status, added });
      return c.json({ added });
    } catch {
      // Alertmanager retries a 503; a 200 would be a promise that cannot be kept.
      return c.json({ error: 'The notification could not be stored.' }, 503);
    }
  });
  app.get('/api/notifications', guard, (c) =>
    c.json({ notifications: deps.outbox.list(mostListed) }),
  );
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => c.json({ status: 'ready', channels: deps.channels }));
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
  return app;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function requireToken(token: string | undefined): MiddlewareHandler {
  return async function requireToken(c, next) {
    const given = c.req.header('authorization') ?? '';
    if (token !== undefined && !timingSafeEqual(digest(given), digest(`Bearer ${token}`))) {
      return c.json({ error: 'authorization: expected "Bearer <NOTIFIER_TOKEN>".' }, 401);
    }
    return next();
  };
}
