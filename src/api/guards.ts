/** Guards that run before a handler: API key, metrics token, shutdown, body size. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { ChatError, createShutdownError } from '../errors.ts';
import { matchBearer } from '../kit/bearer.ts';
import { isLoopback } from '../kit/loopback.ts';
import { maxBodyBytes } from './body.ts';
import type { ApiEnv } from './request-context.ts';

/** Sets `client` to an id that does not reveal the key. */
export function requireApiKey(keys: readonly string[]): MiddlewareHandler<ApiEnv> {
  return async function requireApiKey(c, next) {
    c.set(
      'client',
      keys.length === 0 ? 'anonymous' : requireBearer(keys, c, c.req.header('x-api-key')),
    );
    await next();
  };
}

/** Requires the token from callers beyond loopback. */
export function requireMetricsToken(token: string | undefined): MiddlewareHandler<ApiEnv> {
  return async function requireMetricsToken(c, next) {
    if (token !== undefined && !isOnLoopback(c)) requireBearer([token], c);
    await next();
  };
}

export function isOnLoopback(c: Context<ApiEnv>): boolean {
  return isLoopback(c.env?.incoming?.socket.remoteAddress ?? '');
}

/** Refuses a request before its body is read. */
export function refuseWhenDraining(draining: () => boolean): MiddlewareHandler<ApiEnv> {
  return async function refuseWhenDraining(_, next) {
    if (draining()) throw createShutdownError();
    await next();
  };
}

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError() {
    throw new ChatError('too_large', `body: expected at most ${maxBodyBytes} bytes.`);
  },
});

/**
 * `otherwise`: the key of a request without a bearer token; Anthropic's clients send it as `x-api-key`.
 * @returns an id that does not reveal the matching key. @throws ChatError `unauthorized`
 */
export function requireBearer(keys: readonly string[], c: Context, otherwise?: string): string {
  const other = otherwise === undefined ? undefined : `Bearer ${otherwise}`;
  const match = matchBearer(c.req.header('authorization') ?? other, keys);
  if ('id' in match) return match.id;
  const problem = match.got === 'none' ? 'required; send "Bearer <key>"' : 'unknown key';
  throw new ChatError('unauthorized', `authorization: ${problem}.`);
}
