/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { useProxy } from '../../../alerting/notifier/proxy.ts';

/** A server that notes who is asked for: the host of a CONNECT, or the URL. */
async function startProxy() {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end('{}');
  });
  server.on('connect', ({ url = '' }, socket) => {
    asked.push(url);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

// Fault: `HTTPS_PROXY` and `NO_PROXY` are set.
test('requests go through the proxy, except to NO_PROXY and this machine', async () => {
  const [proxy, local] = [await startProxy(), await startProxy()];
  const { warning, restore } = useProxy({
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
    NO_PROXY: 'direct.invalid',
  });
  onTestFinished(restore);
  expect(warning).toBeUndefined();
  const ask = (url: string) => fetch(url).catch(() => undefined);
  await ask('https://robot.invalid/hook');
  await ask('https://direct.invalid/hook');
  await ask(`${local.url}/api`);
  expect(proxy.asked).toEqual(['robot.invalid:443']);
  expect(local.asked).toEqual(['/api']);
});

test('a wrong address is a warning without the address', () => {
  const { warning } = useProxy({ HTTPS_PROXY: 'http://user:canary@:x' });
  expect(warning).toContain('HTTPS_PROXY, HTTP_PROXY: expected an http or https URL');
  expect(warning).not.toContain('canary');
});
