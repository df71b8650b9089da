/** Guards in front of the notifier's routes: no browser pages, a body limit, a bearer token. Used by `app.ts`. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchBearer } from '../../src/kit/bearer.ts';

/** Enough for thousands of alerts; a larger body does not come from Alertmanager. */
const maxBodyBytes = 32 * 2 ** 20;

/** Rejects requests from browser pages: only programs post here, so a page with an Origin is a forged request. */
export const refusePages: MiddlewareHandler = async (c, next) => {
  if (c.req.header('origin') === undefined) return next();
  return c.json({ error: 'origin: requests from browser pages are not accepted.' }, 403);
};

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: (c: Context) => c.json({ error: `body: larger than ${maxBodyBytes} bytes.` }, 413),
});

/** Requires `Authorization: Bearer <token>` when `token` is set. */
export function requireToken(token: string | undefined): MiddlewareHandler {
  return async function requireToken(c, next) {
    if (token === undefined) return next();
    const match = matchBearer(c.req.header('authorization'), [token]);
    if ('id' in match) return next();
    c.header('www-authenticate', 'Bearer');
    const error = `authorization: expected "Bearer <NOTIFIER_TOKEN>", got ${match.got}.`;
    return c.json({ error }, 401);
  };
}
