/**
 * Telemetry of an HTTP server: spans and durations by the instrumentation, requests in flight, open connections. Independent of any
 * framework: each app calls `setRoute` from its own middleware.
 */
import {
  context,
  metrics as api,
  ValueType,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { getRPCMetadata, RPCType } from '@opentelemetry/core';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { createInstruments, metricOptions, zeroHistogram } from './metrics/instruments.ts';
import { attributes as a, metrics } from './names.ts';
import type { IAttributesProcessor } from '@opentelemetry/sdk-metrics';

/** Not measured: at their rate, scrapes, probes and console polling would hide a chat route that always fails. */
const ignoredPaths = new Set([
  '/',
  '/metrics',
  '/healthz',
  '/readyz',
  '/health',
  '/v1/health',
  '/favicon.ico',
]);
const ignoredFolders = ['/api', '/console'];

export function isIgnored(url: string | undefined): boolean {
  const path = (url ?? '/').split('?', 1)[0] ?? '/';
  return (
    ignoredPaths.has(path) || ignoredFolders.some((folder) => `${path}/`.startsWith(`${folder}/`))
  );
}

/** Any other method becomes `_OTHER`, as in the instrumentation, because clients may send any token as the method. */
const knownMethods = new Set(
  'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '),
);

/** The scheme of the socket; the instrumentation ignores X-Forwarded-Proto, which a client controls. */
const scheme = Object.freeze({ [a.urlScheme]: 'http' });

/** nginx's status for a client that disconnected before the response headers. Node's default of 200 would be recorded otherwise. */
const clientClosedRequest = 499;

/**
 * Attributes that a client controls, removed from spans by setting them to undefined: the query may contain a key, Host and
 * Forwarded can be anything. `network.peer.address` is the address of the socket and stays.
 */
const removedAttributes: Attributes = Object.freeze({
  'url.query': undefined,
  'user_agent.original': undefined,
  'client.address': undefined,
  'server.address': undefined,
  'server.port': undefined,
});

/** The instrumentation that was created last: `initialiseHttpSeries` needs its meter name and version. */
let instrumentation: HttpInstrumentation | undefined;

export function createHttpInstrumentation(): HttpInstrumentation {
  instrumentation = new HttpInstrumentation({
    ignoreIncomingRequestHook: (request) => isIgnored(request.url),
    startIncomingSpanHook: () => removedAttributes,
    requestHook: nameOtherMethod,
    applyCustomAttributesOnSpan: nameOtherMethod,
    // URLs of chat robots contain their access tokens.
    disableOutgoingRequestInstrumentation: true,
  });
  return instrumentation;
}

/** `HTTP` and the route, as the conventions name a span of an unknown method: the instrumentation takes the client's word into the name. */
function nameOtherMethod(span: Span, { method = 'GET' }: { method?: string | undefined }): void {
  if (knownMethods.has(method)) return;
  const metadata = getRPCMetadata(context.active());
  const route = metadata?.type === RPCType.HTTP ? metadata.route : undefined;
  span.updateName(route === undefined ? 'HTTP' : `HTTP ${route}`);
}

/**
 * Patches `node:http`. The instrumentation hooks into `require`, which ES modules never call; this call triggers the hook, and the
 * patched prototype is shared by all modules.
 */
export function patchHttp(): void {
  createRequire(import.meta.url)('node:http');
}

/** Sets `http.route` of the current request, such as `/v1/chat/completions`. Without it the request has no route label. */
export function setRoute(route: string): void {
  const metadata = getRPCMetadata(context.active());
  if (metadata?.type === RPCType.HTTP) metadata.route = route;
}

const errorTypes = new WeakMap<object, string>();

/**
 * Sets `error.type` of the request of `within` beside its status of 200, for a response that broke off after its headers:
 * https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
 */
export function setErrorType(type: string, within: Context): void {
  const metadata = getRPCMetadata(within);
  if (metadata !== undefined) errorTypes.set(metadata, type);
}

/** Adds the error type to the attributes of the duration, because the instrumentation takes them from the status alone. */
export const addErrorType: IAttributesProcessor = {
  process(attributes, within) {
    const metadata = within === undefined ? undefined : getRPCMetadata(within);
    const type = metadata === undefined ? undefined : errorTypes.get(metadata);
    return type === undefined ? attributes : { ...attributes, [a.errorType]: type };
  },
};

/** Counts requests in flight and open connections of `server`. Call it before the server listens. */
export function observeServer(server: Server): void {
  const instruments = createInstruments(api.getMeter('llamascope'));
  for (const method of ['GET', 'POST']) {
    instruments.zero('httpServerActiveRequests', { [a.httpRequestMethod]: method, ...scheme });
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
    const labels = {
      [a.httpRequestMethod]: knownMethods.has(method) ? method : '_OTHER',
      ...scheme,
    };
    instruments.add('httpServerActiveRequests', 1, labels);
    // Runs before the listener of the instrumentation, which reads the status code.
    response.prependOnceListener('close', () => {
      instruments.add('httpServerActiveRequests', -1, labels);
      if (!response.headersSent) response.statusCode = clientClosedRequest;
    });
  });
}

/** Creates the `http.server.request.duration` series for POST requests to these routes with these status codes. */
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
        ...scheme,
        ...(status >= 500 ? { [a.errorType]: String(status) } : {}),
      });
    }
  }
}
