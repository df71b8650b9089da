/** Access control of the console, in addition to `src/kit/gate.ts`. */
import type { MiddlewareHandler } from 'hono';
import { requireBearer, throwRefusal } from '../../api/guards.ts';
import type { ApiEnv } from '../../api/request-context.ts';
import { ChatError } from '../../errors.ts';
import type { Gate } from '../../kit/gate.ts';

/** Allows the names of this service; from beyond this machine also any other, if `token` (METRICS_TOKEN) is required. */
export function requireOwnHost(gate: Gate, token: string | undefined): MiddlewareHandler<ApiEnv> {
  return async function requireOwnHost(c, next) {
    throwRefusal(gate.checkHost(c, { anyName: token !== undefined && !gate.isLocal(c) }));
    await next();
    c.header('x-content-type-options', 'nosniff');
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  };
}

/** Browsers send Origin with every write; only the console's own page may write. @throws ChatError `forbidden` */
export function requireOwnOrigin(gate: Gate): MiddlewareHandler<ApiEnv> {
  return async function requireOwnOrigin(c, next) {
    throwRefusal(gate.checkOrigin(c, { ownOnly: true }));
    await next();
  };
}

/** @throws ChatError `unauthorized`, `forbidden` */
export function requireTokenBeyondLoopback(
  token: string | undefined,
  gate: Gate,
): MiddlewareHandler<ApiEnv> {
  return async function requireTokenBeyondLoopback(c, next) {
    if (!gate.isLocal(c)) {
      if (token === undefined) {
        throw new ChatError(
          'forbidden',
          'METRICS_TOKEN: required for changes from another machine. Set it and restart, or use a browser on the machine of the service.',
          {
            zh: 'METRICS_TOKEN：未设置，不能从其他机器进行修改。请设置后重启，或在服务所在机器的浏览器中操作。',
          },
        );
      }
      requireBearer([token], c);
    }
    await next();
  };
}
