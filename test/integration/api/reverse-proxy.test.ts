/** The service behind a real nginx, with the configuration of `src/api/reverse-proxy.md` and without one. */
import { createAdaptorServer } from '@hono/node-server';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApiApp, type ApiApp } from '../../support/api/app.ts';
import { startNginx } from '../../support/api/nginx.ts';
import { freePorts } from '../../support/free-ports.ts';
import { root } from '../../support/stack/sandbox.ts';

const page = readFileSync(path.join(root, 'src/api/reverse-proxy.md'), 'utf8');
const documented = /```nginx\n(.*?)```/s.exec(page)![1]!;

let api: ApiApp;
let server: ReturnType<typeof createAdaptorServer>;
let nginx: Awaited<ReturnType<typeof startNginx>>;
let proxy: string;
/** nginx with `proxy_pass` alone. */
let bare: string;

beforeAll(async () => {
  api = createApiApp({
    publicHosts: ['chat.example.com'],
    apiKeys: ['sk-1'],
    metricsToken: 'secret',
  });
  server = createAdaptorServer({
    fetch: (request, bindings) => api.request(request, undefined, bindings),
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const [proxyPort = 0, barePort = 0] = await freePorts(2);
  const withoutTls = documented
    .replace('listen 443 ssl;', `listen 127.0.0.1:${proxyPort};`)
    .replaceAll(/ssl_certificate.*;/g, '')
    .replace('127.0.0.1:8000', `127.0.0.1:${port}`);
  const alone = `server { listen 127.0.0.1:${barePort}; location / { proxy_pass http://127.0.0.1:${port}; } }`;
  nginx = await startNginx(`${withoutTls}\n${alone}`, proxyPort);
  proxy = `http://127.0.0.1:${proxyPort}`;
  bare = `http://127.0.0.1:${barePort}`;
});
afterAll(async () => {
  await nginx.stop();
  server.close();
});

const token = { authorization: 'Bearer secret' };

test('clients of the proxy are not local: metrics, traces and silences require the token', async () => {
  for (const front of [proxy, bare]) {
    for (const path of ['/metrics', '/api/traces']) {
      expect((await fetch(front + path)).status).toBe(401);
      expect((await fetch(front + path, { headers: token })).status).toBe(200);
    }
    const write = { method: 'POST', body: '{"fingerprint":"c0ffee","reason":"a test"}' };
    expect((await fetch(`${front}/api/silences`, write)).status).toBe(401);
  }
});

test("the console's writes pass with the browser's Host and Origin", async () => {
  const write = (origin: string) =>
    fetch(`${proxy}/api/silences`, {
      method: 'POST',
      body: '{"fingerprint":"c0ffee","reason":"a test"}',
      headers: { ...token, origin },
    });
  // 502: the guards let it pass, and no Alertmanager is configured.
  expect((await write(proxy)).status).toBe(502);
  expect((await write('http://evil.example')).status).toBe(403);
});

test('a stream arrives as it is generated', async () => {
  const { promise: prefill, resolve: goOn } = Promise.withResolvers<void>();
  api.script.prefill = prefill;
  const response = await fetch(`${proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-1' },
    body: '{"stream":true,"messages":[{"role":"user","content":"hi"}]}',
  });
  expect(response.status).toBe(200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  // Before the engine has a token.
  expect((await reader.read()).value).toContain('"role":"assistant"');
  goOn();
  let rest = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
  expect(rest).toContain('[DONE]');
});
