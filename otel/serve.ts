/** An HTTP server for programs without one: `GET /metrics`, `GET /api/traces`, `GET /api/traces/{id}`. Part of `@llamascope/otel`. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Telemetry } from './sdk.ts';
import { answerTrace, answerTraces } from './traces/traces-api.ts';

export interface TelemetryServer {
  port: number;
  close(): void;
  /** The program may end although the server listens. */
  unref(): void;
}

/**
 * Listens on 127.0.0.1:9464 by default, the port of OpenTelemetry's Prometheus exporter. Port 0 selects a free one.
 * @throws Error if the port is in use.
 */
export async function serveTelemetry(
  telemetry: Telemetry,
  options: { host?: string; port?: number } = {},
): Promise<TelemetryServer> {
  const { host = '127.0.0.1', port = 9464 } = options;
  const server = createServer((request, response) => void answer(telemetry, request, response));
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
    unref: () => void server.unref(),
  };
}

async function answer(
  telemetry: Telemetry,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const traceId = /^\/api\/traces\/([0-9a-fA-F]+)$/.exec(path)?.[1];
  if (path === '/metrics') {
    telemetry.handleMetrics(request, response);
  } else if (path === '/api/traces') {
    sendJson(response, await answerTraces(telemetry.traces, new URLSearchParams(query)));
  } else if (traceId !== undefined) {
    sendJson(response, await answerTrace(telemetry.traces, traceId));
  } else {
    response.writeHead(404).end('Not found. Try /metrics, /api/traces or /api/traces/{id}.\n');
  }
}

function sendJson(
  response: ServerResponse,
  { status, body }: { status: number; body: object },
): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
