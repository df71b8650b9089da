/** Links of alerts to Prometheus' graph page. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createGraphLink } from '../../../src/console/server/graph-page.ts';
import { freePort } from '../../support/free-ports.ts';

const link = 'http://127.0.0.1:9090/graph?g0.expr=up%2Fgraph&g0.tab=0';
const classic = 'http://127.0.0.1:9090/classic/graph?g0.expr=up%2Fgraph&g0.tab=0';

test.each([
  ['Debian 13', 404, classic],
  // Prometheus 3 redirects to /query.
  ['Prometheus 3', 302, link],
  ['Prometheus 2', 200, link],
])('%s answers /graph with %i: %s', async (_, status, expected) => {
  const server = createServer((_request, response) => response.writeHead(status).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  expect((await createGraphLink(`http://127.0.0.1:${port}`))(link)).toBe(expected);
});

test('without an answer of Prometheus the link stays', async () => {
  expect((await createGraphLink(`http://127.0.0.1:${await freePort()}`))(link)).toBe(link);
  expect((await createGraphLink(undefined))(link)).toBe(link);
});
