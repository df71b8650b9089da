/**
 * What is measured of an HTTP server: the instrumentation's spans and durations, which route a request took, requests in flight and
 * open connections. It knows no framework: each app calls `setRoute` from a middleware of its own.
 */
import { context, metrics as api, ValueType, type Attributes } from '@opentelemetry/api';
import { getRPCMetadata, RPCType } from '@opentelemetry/core';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { createInstruments, metricOptions, zeroHistogram } from './metrics/instruments.ts';
import { attributes as a, metrics } from './names.ts';

/** Scrapes, probes, the console and what it polls: they would hide a chat that always fails. */
const ignoredPaths = new Set([
  '/',
  '/metrics',
  '/healthz',
  '/readyz',
  '/favicon.ico',
  '/api',
  '/console',
]);
const ignoredFolders = ['/api/', '/console/'];

export function isIgnored(url: string | undefined): boolean {
  const path = (url ?? '/').split('?', 1)[0] ?? '/';
  return ignoredPaths.has(path) || ignoredFolders.some((folder) => path.startsWith(folder));
}

/** Any other method is `_OTHER`, as in the instrumentation: a client may send any word. */
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

/** Nginx's status for a client that left before the answer began; Node would have the instrumentation say 200. */
const clientClosedRequest = 499;

/**
 * What a caller may write at will: a query may hold a key, Host and Forwarded anything. What is set here wins, and undefined takes
 * it off the span; `network.peer.address` is the socket's own word.
 */
const unsaid: Attributes = Object.freeze({
  'url.query': undefined,
  'user_agent.original': undefined,
  'client.address': undefined,
  'server.address': undefined,
  'server.port': undefined,
});

export function createHttpInstrumentation(): HttpInstrumentation {
  return new HttpInstrumentation({
    ignoreIncomingRequestHook: (request) => isIgnored(request.url),
    startIncomingSpanHook: () => unsaid,
    // The URLs that we call hold the robots' tokens.
    disableOutgoingRequestInstrumentation: true,
  });
}

/**
 * Patches `node:http`. Modules loaded as ESM never pass the `require` that the instrumentation hooks into; this one call
 * does, and what it patches is the prototype that they all share.
 */
export function patchHttp(): void {
  createRequire(import.meta.url)('node:http');
}

/** Names the route of the request that is being handled, so that its label is bounded: `/v1/chat/completions`. */
export function setRoute(route: string): void {
  const metadata = getRPCMetadata(context.active());
  if (metadata?.type === RPCType.HTTP) metadata.route = route;
}

/** Counts the requests in flight and the open connections of one server, from now on. */
export function observeServer(server: Server): void {
  const instruments = createInstruments(api.getMeter('llamascope'));
  for (const method of ['GET', 'POST']) {
    instruments.zero('httpServerActiveRequests', { [a.httpRequestMethod]: method });
  }
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    socket.once('close', () => (connections -= 1));
  });
  instruments.observe('httpServerConnections', (result) => result.observe(connections));
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (isIgnored(request.url)) return;
    const method = request.method ?? 'GET';
    const labels = { [a.httpRequestMethod]: knownMethods.has(method) ? method : '_OTHER' };
    instruments.add('httpServerActiveRequests', 1, labels);
    // Before the instrumentation's own listener, which reads the status.
    response.prependOnceListener('close', () => {
      instruments.add('httpServerActiveRequests', -1, labels);
      if (!response.headersSent) response.statusCode = clientClosedRequest;
    });
  });
}

let instrumentation: HttpInstrumentation | undefined;

/** Told by `sdk.ts`, so that the series below land on the instrumentation's own instrument. */
export function useHttpInstrumentation(used: HttpInstrumentation): void {
  instrumentation = used;
}

/** Makes `http.server.request.duration` exist for POSTs to these routes with these status codes. */
export function initialiseHttpSeries(
  routes: readonly string[],
  statusCodes: readonly number[],
): void {
  if (instrumentation === undefined) return;
  const { instrumentationName, instrumentationVersion } = instrumentation;
  const metric = metrics.httpServerRequestDuration;
  const duration = api
    .getMeter(instrumentationName, instrumentationVersion)
    .createHistogram(metric.name, { ...metricOptions(metric), valueType: ValueType.DOUBLE });
  for (const route of routes) {
    for (const status of statusCodes) {
      zeroHistogram(duration, {
        [a.httpRequestMethod]: 'POST',
        [a.httpRoute]: route,
        [a.httpResponseStatusCode]: status,
        ...(status >= 500 ? { [a.errorType]: String(status) } : {}),
      });
    }
  }
}
