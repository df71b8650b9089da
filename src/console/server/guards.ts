/**
 * Who may use the console's routes. A page of somebody else's can reach a service on this machine, or in its network, under a
 * name of its own that it points here (DNS rebinding): then Host is that name, and the request is refused.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { isIP } from 'node:net';
import { isOnLoopback, requireBearer } from '../../api/guards.ts';
import type { ApiEnv } from '../../api/request-context.ts';
import { isLoopback } from '../../kit/loopback.ts';
import { createConsoleError } from './text.ts';

/**
 * Lets in what asks for localhost, 127.0.0.1, [::1] or `host`, which is CHAT_HOST. Where neither service nor caller are on
 * loopback, any address will do, since only names can be pointed elsewhere, and any name where `token` (METRICS_TOKEN) is asked for.
 * @throws ChatError `forbidden`
 */
export function requireOwnHost(host: string, token: string | undefined): MiddlewareHandler<ApiEnv> {
  const names = new Set(['localhost', '127.0.0.1', '[::1]', bracket(host)]);
  return async function requireOwnHost(c, next) {
    const name = URL.parse(`http://${hostOf(c)}`)?.hostname ?? '';
    const isAway = !isLoopback(host) && !isOnLoopback(c);
    if (!names.has(name) && !(isAway && (token !== undefined || isAddress(name)))) {
      throw createConsoleError('forbidden', {
        en: `host: expected ${[...names].join(', ')}, got another. Open the console under one of these; a proxy has to send it as Host.`,
        zh: `host：应为 ${[...names].join('、')}，收到的是其他名称。请用其中之一打开控制台；若经过代理，代理转发的 Host 须为其中之一。`,
      });
    }
    await next();
    c.header('x-content-type-options', 'nosniff');
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  };
}

/** A browser says with every write which page it comes from. @throws ChatError `forbidden` */
export const requireOwnOrigin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const origin = c.req.header('origin');
  if (origin !== undefined && URL.parse(origin)?.host !== hostOf(c)) {
    throw createConsoleError('forbidden', {
      en: 'origin: expected the page of this service, got another. Use the console itself.',
      zh: 'origin：应为本服务自己的页面，收到的是其他来源。请在控制台页面中操作。',
    });
  }
  await next();
};

/** Nobody writes from beyond loopback without a token. @throws ChatError `unauthorized`, `forbidden` */
export function requireTokenBeyondLoopback(token: string | undefined): MiddlewareHandler<ApiEnv> {
  return async function requireTokenBeyondLoopback(c, next) {
    if (!isOnLoopback(c)) {
      if (token === undefined) {
        throw createConsoleError('forbidden', {
          en: 'METRICS_TOKEN: expected to be set before another machine changes anything, it is not. Set it and restart, or use a browser on the machine itself.',
          zh: 'METRICS_TOKEN：必须先设置它，才能从其他机器进行修改；目前未设置。请设置后重启，或在本机浏览器中操作。',
        });
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

/** As it stands in a URL. */
function bracket(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
