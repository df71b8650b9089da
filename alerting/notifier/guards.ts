/** What stands before the notifier's routes: names for the metrics, a token, no pages, no endless bodies. Used by the app. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import { createHash, timingSafeEqual } from 'node:crypto';
import { setRoute } from '../../otel/http.ts';

/** Thousands of alerts fit; what is larger is no webhook of Alertmanager's. */
const maxBodyBytes = 32 * 2 ** 20;

export const nameRoute: MiddlewareHandler = async (c, next) => {
  const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
  if (route !== undefined) setRoute(route.path);
  await next();
};

/** No page writes here: a browser that tries was led to it by somebody else's. */
export const refusePages: MiddlewareHandler = async (c, next) => {
  if (c.req.header('origin') === undefined) return next();
  return c.json({ error: 'origin: expected none; alerts do not come from pages.' }, 403);
};

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: (c: Context) =>
    c.json({ error: `body: expected at most ${maxBodyBytes} bytes, got more.` }, 413),
});

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that the time taken tells nothing about the token. */
export function requireToken(token: string | undefined): MiddlewareHandler {
  return async function requireToken(c, next) {
    if (token === undefined) return next();
    const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return next();
    c.header('www-authenticate', 'Bearer');
    const error = `authorization: expected "Bearer <NOTIFIER_TOKEN>", got ${given ? 'another' : 'none'}.`;
    return c.json({ error }, 401);
  };
}
