/** Access to the routes: Host, Origin, proxies, and the console's token. */
import { describe, expect, test } from 'vitest';
import { createApiApp, type Answer, type AppOverrides } from '../../support/api/app.ts';

interface RequestFields {
  host?: string;
  origin?: string;
  token?: string;
  /** Address of the caller. */
  from?: string;
  /** Other headers. */
  more?: Record<string, string>;
  httpVersion?: string;
}

const prompt = '{"prompt":"hi"}';
const chat = '{"messages":[{"role":"user","content":"hi"}]}';
const bodies: Record<string, string> = {
  '/api/silences': '{"fingerprint":"c0ffee","reason":"a test"}',
  '/api/silences/c0/expire': '',
  '/chat': prompt,
  '/tokenize': '{"content":"hi"}',
  '/v1/chat/completions': chat,
  '/v1/completions': prompt,
  '/v1/embeddings': '{"input":"hi"}',
  '/v1/responses': '{"input":"hi"}',
  '/v1/messages': chat.replace('{', '{"max_tokens":9,'),
  '/v1/messages/count_tokens': chat,
};
const generating = Object.keys(bodies).filter((path) => !path.startsWith('/api/'));

async function ask(
  path: string,
  { host = '127.0.0.1:8000', origin, token, from = '127.0.0.1', more, httpVersion }: RequestFields,
  options: AppOverrides = {},
): Promise<Answer> {
  const body = bodies[path];
  const headers = {
    host,
    ...more,
    ...(origin === undefined ? {} : { origin }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body };
  const bindings = { incoming: { socket: { remoteAddress: from }, httpVersion } };
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
    '/metrics',
    '/version',
    '/readyz',
    '/openapi.json',
    '/v1/models',
    '/v1/models/demo',
    ...generating.filter((path) => !path.startsWith('/v1/messages')),
  ])('refuses %s under a foreign host name, in both languages', async (path) => {
    for (const host of ['evil.example:8000', '127.0.0.1.evil.example', 'localhost.evil.example']) {
      const answer = await ask(path, { host });
      expect(answer.status).toBe(403);
      const { error } = await answer.json();
      expect(error.message).toMatch(
        /^host: expected localhost, an IP address or a name in CHAT_PUBLIC_HOST/,
      );
      expect(error).toMatchObject({ code: 'forbidden', param: null });
      expect(error.message_zh).toMatch(/^不允许通过该域名访问/);
    }
  });

  test("refuses a foreign host name in Anthropic's form", async () => {
    for (const path of ['/v1/messages', '/v1/messages/count_tokens']) {
      const answer = await ask(path, { host: 'evil.example' });
      expect(answer.status).toBe(403);
      expect((await answer.json()).error).toMatchObject({ type: 'permission_error' });
    }
  });

  test('answers under CHAT_HOST, an IPv6 address too', async () => {
    const options = { host: '127.0.0.2' };
    expect((await ask('/api/status', { host: '127.0.0.2:8000' }, options)).status).toBe(200);
    const six = { host: '::1' };
    expect((await ask('/api/status', { host: '[::1]:8000' }, six)).status).toBe(200);
  });

  test('a load balancer may ask /healthz under any name', async () => {
    expect((await ask('/healthz', { host: 'evil.example' })).status).toBe(200);
  });

  test.each(['127.0..1', '1.2.3.4.5', '127.0.0.999'])(
    'answers 400 to the invalid host %s',
    async (host) => {
      for (const path of ['/', '/metrics', '/v1/models', '/api/status', ...generating]) {
        const answer = await ask(path, { host }, { apiKeys: path === '/chat' ? ['sk-1'] : [] });
        expect(answer.status).toBe(400);
        expect((await answer.json()).error.message).toMatch(/^host: expected/);
      }
    },
  );

  test.each(generating)('refuses a page of another site on %s', async (path) => {
    for (const origin of ['http://evil.example', 'null']) {
      const more = { 'content-type': 'text/plain' };
      const answer = await ask(path, { origin, more });
      expect(answer.status).toBe(403);
      expect((await answer.json()).error.message).toMatch(/^origin: /);
    }
    expect((await ask(path, { origin: 'http://127.0.0.1:8000' })).status).toBe(200);
  });

  test('with a key, any host name and any page may ask', async () => {
    const asked = { host: 'chat.example', origin: 'http://evil.example' };
    const keys = { apiKeys: ['sk-1'] };
    expect((await ask('/chat', asked, keys)).status).toBe(401);
    expect((await ask('/chat', { ...asked, token: 'sk-1' }, keys)).status).toBe(200);
  });

  test('CHAT_CORS_ORIGINS lets pages of these origins use the API, and read why it refuses', async () => {
    const origin = 'https://app.example';
    const options = { corsOrigins: [origin] };
    const answer = await ask('/chat', { origin }, options);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
    const refused = await ask('/chat', { origin }, { ...options, apiKeys: ['sk-1'] });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
    for (const [path, from] of [
      ['/chat', 'https://app.example.evil.example'],
      ['/api/silences', origin],
    ] as const) {
      const foreign = await ask(path, { origin: from }, options);
      expect(foreign.status).toBe(403);
      expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    }
    const { request } = createApiApp(options);
    const preflight = await request('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-headers': 'authorization,content-type' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    expect((await createApiApp().request('/chat', { method: 'OPTIONS' })).status).toBe(405);
  });

  test('allows writes from its own page and from programs without Origin', async () => {
    for (const origin of [undefined, 'http://127.0.0.1:8000']) {
      const asked = origin === undefined ? {} : { origin };
      // 502: the guards let it pass, and no Alertmanager is configured.
      expect((await ask('/api/silences', asked)).status).toBe(502);
    }
  });

  test.each(['http://evil.example', 'http://127.0.0.1:8001', 'null'])(
    'refuses writes from a page of %s',
    async (origin) => {
      for (const path of ['/api/silences', '/api/silences/c0/expire']) {
        const answer = await ask(path, { origin });
        expect(answer.status).toBe(403);
        expect((await answer.json()).error.message).toMatch(/^origin: /);
      }
    },
  );
});

test('in a container, requests that the engine passes on from this machine are local', async () => {
  const options = { ...guarded, forwarder: '172.18.0.1' };
  for (const from of ['172.18.0.1', '::ffff:172.18.0.1']) {
    expect((await ask('/api/silences', { from }, options)).status).toBe(502);
    const more = { 'x-forwarded-for': '10.0.0.7' };
    expect((await ask('/api/silences', { from, more }, options)).status).toBe(401);
  }
  // Another container.
  expect((await ask('/api/silences', { from: '172.18.0.5' }, options)).status).toBe(401);
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
    expect((await ask('/api/silences', { ...asked, token: 'secret' }, guarded)).status).toBe(502);
  });
});

describe('behind a proxy on the same machine', () => {
  const proxied: RequestFields[] = [
    { more: { forwarded: 'for=203.0.113.7' } },
    { more: { 'x-forwarded-for': '203.0.113.7' } },
    { more: { 'x-forwarded-proto': 'https' } },
    { more: { 'x-real-ip': '203.0.113.7' } },
    { more: { via: '1.1 caddy' } },
    // nginx without settings.
    { httpVersion: '1.0' },
  ];

  test.each(proxied)('a request with %o is not local', async (asked) => {
    const options = { metricsToken: 'secret' };
    for (const path of ['/metrics', '/api/traces', '/api/silences']) {
      expect((await ask(path, asked, options)).status).toBe(401);
      expect((await ask(path, { ...asked, token: 'secret' }, options)).status).not.toBe(401);
    }
    expect((await ask('/api/silences', asked)).status).toBe(403);
  });

  test('CHAT_PUBLIC_HOST is the name under which others use it', async () => {
    const [, asked] = proxied;
    const named = { ...asked, host: 'chat.example', origin: 'https://chat.example' };
    const options = { publicHosts: ['chat.example'] };
    for (const path of ['/', '/api/status', '/v1/models', '/chat']) {
      expect((await ask(path, named)).status).toBe(403);
      // 503: the page is not built here.
      expect((await ask(path, named, options)).status).toBe(path === '/' ? 503 : 200);
    }
  });
});

test('answers are not cached, and their type is not sniffed', async () => {
  const answer = await ask('/api/status', {});
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
});
