/** Collectors: one that accepts every span, one that answers 503, one that never answers, one that is down. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export const collectorKinds = ['receiving', 'unavailable', 'hanging', 'absent'] as const;
export type CollectorKind = (typeof collectorKinds)[number];

export interface Collector {
  url: string;
  /** Names of the received spans, in order. */
  spanNames: () => string[];
  /** The received bodies. */
  bodies: () => string[];
  close(): Promise<void>;
}

interface OtlpRequest {
  resourceSpans: { scopeSpans: { spans: { name: string }[] }[] }[];
}

export async function startCollector(kind: CollectorKind): Promise<Collector> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      if (kind === 'hanging') return;
      if (kind === 'receiving' && request.url === '/v1/traces') bodies.push(body);
      response.statusCode = kind === 'unavailable' ? 503 : 200;
      response.setHeader('content-type', 'application/json');
      response.end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  if (kind === 'absent') await close();
  return {
    url: `http://127.0.0.1:${port}`,
    bodies: () => bodies,
    spanNames: () =>
      bodies.flatMap((body) =>
        (JSON.parse(body) as OtlpRequest).resourceSpans.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)),
        ),
      ),
    close,
  };
}
