/** Middleware of both HTTP services. */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { setRoute } from '../../otel/http.ts';

/** Labels the HTTP metrics and the span with the route's pattern. A path without a route gets none, so that labels stay bounded. */
export const nameRoute: MiddlewareHandler = async (c, next) => {
  const route = routeOf(c);
  if (route !== undefined) setRoute(route);
  await next();
};

/** The pattern of the request's route, such as `/v1/models/:id`; undefined for a path without a route. */
export function routeOf(c: Context): string | undefined {
  return matchedRoutes(c).findLast((matched) => matched.method !== 'ALL')?.path;
}
