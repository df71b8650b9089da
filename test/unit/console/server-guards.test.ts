/** Access to the console's routes: Host, Origin and token. */
import { describe, expect, test } from 'vitest';
import { createApiApp, type Answer, type AppOverrides } from '../../support/api/app.ts';

interface RequestFields {
  host?: string;
  origin?: string;
  token?: string;
  /** Address of the caller. */
  from?: string;
}

const silence = JSON.stringify({ fingerprint: 'c0ffee', reason: 'a test' });

async function ask(
  path: string,
  { host = '127.0.0.1:8000', origin, token, from = '127.0.0.1' }: RequestFields,
  options: AppOverrides = {},
): Promise<Answer> {
  const isWrite = path.startsWith('/api/silences');
  const headers = {
    host,
    ...(origin === undefined ? {} : { origin }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const init = isWrite ? { method: 'POST', headers, body: silence } : { headers };
  const bindings = { incoming: { socket: { remoteAddress: from } } };
  return createApiApp(options).request(path, init, bindings);
}

const everywhere = { host: '0.0.0.0' };
const guarded = { ...everywhere, metricsToken: 'secret' };

describe('a service on loopback', () => {
  test.each(['localhost:8000', '127.0.0.1', '[::1]:8000', 'LOCALHOST'])(
    'answers under %s',
    async (host) => {
      expect((await ask('/api/status', { host })).status).toBe(200);
    },
  );

  test.each([
    '/api/status',
    '/api/traces',
    '/api/panels',
    '/api/panels/queue-depth',
    '/api/alerts',
    '/api/runbooks/QueueBacklog',
    '/api/rules',
    '/api/alert-history',
    '/api/silences',
    '/api/silences/c0/expire',
    '/',
    '/console/index.js',
  ])('refuses %s under a foreign host name, in both languages', async (path) => {
    for (const host of ['evil.example:8000', '127.0.0.1.evil.example', 'localhost.evil.example']) {
      const answer = await ask(path, { host });
      expect(answer.status).toBe(403);
      const { error } = await answer.json();
      expect(error).toMatchObject({ code: 'forbidden', param: null });
      expect(error.message).toMatch(/^host: expected one of /);
      expect(error.message_zh).toMatch(/^不允许通过该域名访问/);
    }
  });

  test('answers under CHAT_HOST, an IPv6 address too', async () => {
    const options = { host: '127.0.0.2' };
    expect((await ask('/api/status', { host: '127.0.0.2:8000' }, options)).status).toBe(200);
    const six = { host: '::1' };
    expect((await ask('/api/status', { host: '[::1]:8000' }, six)).status).toBe(200);
  });

  test('/v1 and /chat answer under any host name: only the console checks it', async () => {
    const init = { method: 'POST', headers: { host: 'chat.example' }, body: '{"prompt":"hi"}' };
    expect((await createApiApp().request('/chat', init)).status).toBe(200);
    expect((await createApiApp().request('/v1/models', { headers: init.headers })).status).toBe(
      200,
    );
  });

  test('allows writes from its own page and from programs without Origin', async () => {
    for (const origin of [undefined, 'http://127.0.0.1:8000']) {
      const asked = origin === undefined ? {} : { origin };
      // 503: the guards let it pass, and no Alertmanager is configured.
      expect((await ask('/api/silences', asked)).status).toBe(503);
    }
  });

  test.each(['http://evil.example', 'http://127.0.0.1:8001', 'null'])(
    'refuses writes from a page of %s',
    async (origin) => {
      for (const path of ['/api/silences', '/api/silences/c0/expire']) {
        const answer = await ask(path, { origin });
        expect(answer.status).toBe(403);
        expect((await answer.json()).error.message).toMatch(/^origin: expected/);
      }
    },
  );
});

describe('a service that others can reach', () => {
  test('answers under any IP address, but under no foreign host name', async () => {
    const from = '10.0.0.7';
    expect((await ask('/api/status', { host: '10.0.0.1:8000', from }, everywhere)).status).toBe(
      200,
    );
    expect((await ask('/api/status', { host: 'evil.example', from }, everywhere)).status).toBe(403);
  });

  test('answers under any host name with the token', async () => {
    const asked = { host: 'chat.example', from: '10.0.0.7' };
    expect((await ask('/api/status', asked, guarded)).status).toBe(401);
    expect((await ask('/api/status', { ...asked, token: 'secret' }, guarded)).status).toBe(200);
  });

  test('checks the host name of a local browser, which needs no token', async () => {
    expect((await ask('/api/status', { host: 'evil.example' }, guarded)).status).toBe(403);
    expect((await ask('/api/status', {}, guarded)).status).toBe(200);
  });

  test('accepts writes from another machine only with the token', async () => {
    const asked = { host: '10.0.0.1:8000', from: '10.0.0.7' };
    const unset = await ask('/api/silences', asked, everywhere);
    expect(unset.status).toBe(403);
    expect((await unset.json()).error.message).toMatch(/^METRICS_TOKEN: required/);
    expect((await ask('/api/silences', asked, guarded)).status).toBe(401);
    expect((await ask('/api/silences', { ...asked, token: 'wrong' }, guarded)).status).toBe(401);
    expect((await ask('/api/silences', { ...asked, token: 'secret' }, guarded)).status).toBe(503);
  });
});

test('answers are not cached, and their type is not sniffed', async () => {
  const answer = await ask('/api/status', {});
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
});
