/** Forwards to BACKEND_URL on a new connection, and does nothing else: what any proxy in Node.js adds. Prints its port. Used by `tap.ts`. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

const backend = new URL(process.env['BACKEND_URL'] ?? '');

const server = createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming;
  const asked = request(backend, { method, path, headers, agent: false }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
    answer.pipe(outgoing);
  });
  incoming.pipe(asked);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
