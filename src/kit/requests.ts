/** Middleware of both HTTP services. */
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { setRoute } from '../../otel/http.ts';

/** Labels the HTTP metrics and the span with the route's pattern. A path without a route gets none, so that labels stay bounded. */
export const nameRoute: MiddlewareHandler = async (c, next) => {
  const route = matchedRoutes(c).findLast((matched) => matched.method !== 'ALL');
  if (route !== undefined) setRoute(route.path);
  await next();
};
