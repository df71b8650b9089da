/** Guards that run before a handler: host and origin, API key, metrics token, shutdown, body size. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { ChatError, createShutdownError } from '../errors.ts';
import { matchBearer } from '../kit/bearer.ts';
import type { Gate, Refusal } from '../kit/gate.ts';
import { maxBodyBytes } from './body.ts';
import type { ApiEnv } from './request-context.ts';

/** For routes that need no key. @throws ChatError `bad_request`, `forbidden` */
export function requireOwnSite(gate: Gate): MiddlewareHandler<ApiEnv> {
  return async function requireOwnSite(c, next) {
    throwRefusal(gate.checkHost(c) ?? gate.checkOrigin(c));
    await next();
  };
}

/** Sets `client` to an id that does not reveal the key. Without keys only the service's own site may ask. */
export function requireApiKey(keys: readonly string[], gate: Gate): MiddlewareHandler<ApiEnv> {
  return async function requireApiKey(c, next) {
    const isOpen = keys.length === 0;
    throwRefusal(
      gate.checkHost(c, { anyName: !isOpen }) ?? (isOpen ? gate.checkOrigin(c) : undefined),
    );
    c.set('client', isOpen ? 'anonymous' : requireBearer(keys, c, c.req.header('x-api-key')));
    await next();
  };
}

/** Requires the token from callers beyond this machine. Others need none, so they have to use the service's own site. */
export function requireMetricsToken(
  token: string | undefined,
  gate: Gate,
): MiddlewareHandler<ApiEnv> {
  return async function requireMetricsToken(c, next) {
    if (token !== undefined && !gate.isLocal(c)) requireBearer([token], c);
    else throwRefusal(gate.checkHost(c) ?? gate.checkOrigin(c));
    await next();
  };
}

export function throwRefusal(refusal: Refusal | undefined): void {
  if (refusal === undefined) return;
  const code = refusal.status === 400 ? 'bad_request' : 'forbidden';
  throw new ChatError(code, refusal.en, { zh: refusal.zh });
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
  const [problem, zh] =
    match.got === 'none'
      ? ['required; send "Bearer <key>"', 'authorization：缺少密钥，请发送 "Bearer <密钥>"。']
      : ['unknown key', 'authorization：密钥不正确。'];
  throw new ChatError('unauthorized', `authorization: ${problem}.`, { zh });
}
