/** Who may call what: API keys, the metrics token, a service that drains, and bodies that are too large. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { ChatError } from '../errors.ts';
import { matchBearer } from '../kit/bearer.ts';
import { isLoopback } from '../kit/loopback.ts';
import { maxBodyBytes } from './body.ts';
import type { ApiEnv } from './request-context.ts';

/** Sets `client`, an id that says nothing about the key. */
export function requireApiKey(keys: readonly string[]): MiddlewareHandler<ApiEnv> {
  return async function requireApiKey(c, next) {
    c.set('client', keys.length === 0 ? 'anonymous' : requireBearer(keys, c));
    await next();
  };
}

/** From beyond loopback. */
export function requireMetricsToken(token: string | undefined): MiddlewareHandler<ApiEnv> {
  return async function requireMetricsToken(c, next) {
    if (token !== undefined && !isOnLoopback(c)) requireBearer([token], c);
    await next();
  };
}

/** Whether the caller is on this machine. */
export function isOnLoopback(c: Context<ApiEnv>): boolean {
  return isLoopback(c.env?.incoming?.socket.remoteAddress ?? '');
}

/** A draining service turns requests away before it reads them. */
export function refuseWhenDraining(draining: () => boolean): MiddlewareHandler<ApiEnv> {
  return async function refuseWhenDraining(_, next) {
    if (draining()) {
      throw new ChatError('shutdown', 'The service is shutting down. Try again in a few seconds.', {
        retryAfterSeconds: 5,
      });
    }
    await next();
  };
}

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError() {
    throw new ChatError('too_large', `body: expected at most ${maxBodyBytes} bytes, got more.`);
  },
});

/** @returns an id that does not reveal the key. @throws ChatError `unauthorized` */
export function requireBearer(keys: readonly string[], c: Context): string {
  const match = matchBearer(c.req.header('authorization'), keys);
  if ('id' in match) return match.id;
  throw new ChatError(
    'unauthorized',
    `authorization: expected "Bearer <key>" with a key of this service, got ${match.got}.`,
  );
}
