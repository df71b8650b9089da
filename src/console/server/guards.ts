/**
 * Access control of the console. A page of another site can reach this service in two ways: through its own host name that
 * resolves to this machine (DNS rebinding), which the Host header reveals, or with a form (CSRF), which Origin reveals.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { isIP } from 'node:net';
import { isOnLoopback, requireBearer } from '../../api/guards.ts';
import type { ApiEnv } from '../../api/request-context.ts';
import { ChatError } from '../../errors.ts';
import { isLoopback } from '../../kit/loopback.ts';

/**
 * Allows the hosts localhost, 127.0.0.1, [::1] and `host` (CHAT_HOST). If neither the service nor the caller is on loopback, it also
 * allows any IP address, because only names can be rebound, and any name if `token` (METRICS_TOKEN) is required.
 * @throws ChatError `forbidden`
 */
export function requireOwnHost(host: string, token: string | undefined): MiddlewareHandler<ApiEnv> {
  const names = new Set(['localhost', '127.0.0.1', '[::1]', isIP(host) === 6 ? `[${host}]` : host]);
  return async function requireOwnHost(c, next) {
    const name = URL.parse(`http://${hostOf(c)}`)?.hostname ?? '';
    const isRemote = !isLoopback(host) && !isOnLoopback(c);
    if (!names.has(name) && !(isRemote && (token !== undefined || isAddress(name)))) {
      throw new ChatError(
        'forbidden',
        `host: expected one of ${[...names].join(', ')}. Open the console under one of them; a proxy has to send one as Host.`,
        {
          zh: `不允许通过该域名访问。请使用 ${[...names].join('、')}；如经反向代理，请把转发的 Host 设为其中之一。`,
        },
      );
    }
    await next();
    c.header('x-content-type-options', 'nosniff');
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  };
}

/** Browsers send Origin with every write. @throws ChatError `forbidden` */
export const requireOwnOrigin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const origin = c.req.header('origin');
  if (origin !== undefined && URL.parse(origin)?.host !== hostOf(c)) {
    throw new ChatError(
      'forbidden',
      'origin: expected the address of this console. Make changes on its own page.',
      { zh: '请求来源（Origin）不是本服务的控制台，已拒绝。请在控制台中操作。' },
    );
  }
  await next();
};

/** @throws ChatError `unauthorized`, `forbidden` */
export function requireTokenBeyondLoopback(token: string | undefined): MiddlewareHandler<ApiEnv> {
  return async function requireTokenBeyondLoopback(c, next) {
    if (!isOnLoopback(c)) {
      if (token === undefined) {
        throw new ChatError(
          'forbidden',
          'METRICS_TOKEN: required for changes from another machine. Set it and restart, or use a browser on the machine of the service.',
          {
            zh: 'METRICS_TOKEN：从其他机器进行修改时必须设置。请设置后重启，或在服务所在机器的浏览器中操作。',
          },
        );
      }
      requireBearer([token], c);
    }
    await next();
  };
}

function hostOf(c: Context): string {
  return c.req.header('host') ?? new URL(c.req.url).host;
}

function isAddress(name: string): boolean {
  return isIP(name.replaceAll(/^\[|\]$/g, '')) !== 0;
}
