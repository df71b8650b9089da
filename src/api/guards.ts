/** Who may call what: API keys, the metrics token, a service that drains, and bodies that are too large. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError } from '../errors.ts';
import { maxBodyBytes } from './body.ts';
import type { ApiEnv } from './endpoint.ts';

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

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host);
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

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** @throws ChatError `unauthorized`. Compares digests, so that the time taken tells nothing about a key. */
export function requireBearer(keys: readonly string[], c: Context): string {
  const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  const wanted = digest(given ?? '');
  const found = keys.filter((key) => timingSafeEqual(digest(key), wanted)).length > 0;
  if (given !== undefined && found) return wanted.toString('hex', 0, 8);
  throw new ChatError(
    'unauthorized',
    `authorization: expected "Bearer <key>" with a key of this service, got ${given === undefined ? 'none' : 'another'}.`,
  );
}
