/** The HTTP side of the telemetry: which requests count, the route they are counted under, what is in flight. */
import { context, metrics as api, type Meter } from '@opentelemetry/api';
import { getRPCMetadata } from '@opentelemetry/core';
import type { IncomingMessage, Server } from 'node:http';
import { createInstrument, initialise, observe } from './instruments.ts';
import { attributes as a, metrics } from './names.ts';

/** The route template under which the current request is counted; call it before the handler runs. */
export function setRoute(route: string): void {
  const metadata = getRPCMetadata(context.active());
  if (metadata !== undefined) metadata.route = route;
}

const ignoredPaths = new Set(['/', '/metrics', '/healthz', '/readyz', '/favicon.ico']);
const ignoredPrefixes = ['/api/', '/assets/'];

/** Scrapes, health checks and the console's own polling would hide a chat that always fails. */
export function isIgnored(request: IncomingMessage): boolean {
  const path = (request.url ?? '/').split('?', 1)[0]!;
  return ignoredPaths.has(path) || ignoredPrefixes.some((prefix) => path.startsWith(prefix));
}

// https://opentelemetry.io/docs/specs/semconv/http/http-metrics: anything else is `_OTHER`.
const knownMethods = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
]);

/** Requests in flight by method, and open connections. */
export function observeServer(meter: Meter, server: Server): void {
  const active = createInstrument(meter, 'httpServerActiveRequests');
  active.add(0, { [a.httpRequestMethod]: 'GET' });
  active.add(0, { [a.httpRequestMethod]: 'POST' });
  server.on('request', (request, response) => {
    if (isIgnored(request)) return;
    const method = request.method ?? 'GET';
    const labels = { [a.httpRequestMethod]: knownMethods.has(method) ? method : '_OTHER' };
    active.add(1, labels);
    response.once('close', () => active.add(-1, labels));
  });
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    socket.once('close', () => (connections -= 1));
  });
  observe(meter, 'httpServerConnections', (report) => report(connections));
}

/**
 * Makes `http.server.request.duration` exist for routes that were not asked for yet: through a meter of the
 * instrumentation's own name and with exactly the attributes that it writes.
 */
export function initialiseHttpSeries(
  instrumentation: { name: string; version: string },
  routes: readonly string[],
  statusCodes: readonly number[],
): void {
  const meter = api.getMeter(instrumentation.name, instrumentation.version);
  const { name, unit } = metrics.httpServerRequestDuration;
  const histogram = meter.createHistogram(name, {
    unit,
    description: 'Duration of HTTP server requests.',
  });
  for (const route of routes) {
    for (const status of statusCodes) {
      initialise(histogram, {
        [a.httpRequestMethod]: 'POST',
        'url.scheme': 'http',
        'network.protocol.version': '1.1',
        [a.httpRoute]: route,
        [a.httpResponseStatusCode]: status,
        ...(status >= 500 ? { [a.errorType]: String(status) } : {}),
      });
    }
  }
}
