/** The console's page as the service serves it, from a bundle made by the test. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createApiApp } from '../../support/api/app.ts';

const html = [
  'index.html',
  '<!doctype html><title>console</title><style>p{}</style><script>"a"</script><script src="b.js"></script>',
] as const;
const script = ['index-B1a2c3d4.js', '"script";'] as const;

function createBundle(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'console-'));
  const dist = path.join(folder, 'dist');
  mkdirSync(path.join(dist, 'fonts'), { recursive: true });
  writeFileSync(path.join(folder, 'secret.js'), 'a secret');
  for (const [name, content] of [html, script]) {
    writeFileSync(path.join(dist, name), content);
    writeFileSync(path.join(dist, `${name}.gz`), gzipSync(content));
    writeFileSync(path.join(dist, `${name}.br`), brotliCompressSync(content));
  }
  writeFileSync(path.join(dist, 'fonts/mono-B1a2c3d4.woff2'), 'font');
  writeFileSync(path.join(dist, 'favicon.svg'), '<svg/>');
  return dist;
}

const bundleDir = createBundle();
const { request } = createApiApp({ bundleDir });

/** As `printf 'p{}' | openssl dgst -sha256 -binary | base64` prints it. */
const inlineStyle = 'gG2yISYereRMiG2lMXrbiUgi0Ubw9p7QCeWcroOvy9Y=';
const inlineScript = 'rI2DQruyNi0T8KVZo2IbtAcBE2iJUWS2KKVPf8M/xDw=';

test('allows only its own scripts and styles', async () => {
  const answer = await request('/');
  expect(await answer.text()).toContain('<title>console</title>');
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = answer.headers.get('content-security-policy')!.split('; ');
  expect(policy).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      `script-src 'self' 'sha256-${inlineScript}'`,
      `style-src 'self' 'sha256-${inlineStyle}'`,
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]),
  );
  expect(policy.join(' ')).not.toMatch(/unsafe|\*|https?:/);
  const file = await request('/console/index-B1a2c3d4.js');
  expect(file.headers.get('content-security-policy')).not.toContain('sha256');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
  expect(answer.headers.get('strict-transport-security')).toBeNull();
});

test('is revalidated on each visit, except files with a hash in their name', async () => {
  const caching = async (name: string) => (await request(name)).headers.get('cache-control');
  expect(await caching('/')).toBe('no-cache');
  expect(await caching('/console/favicon.svg')).toBe('no-cache');
  expect(await caching('/console/index-B1a2c3d4.js')).toBe('public, max-age=31536000, immutable');
});

test.each([
  ['index-B1a2c3d4.js', 'text/javascript; charset=utf-8'],
  ['fonts/mono-B1a2c3d4.woff2', 'font/woff2'],
  ['favicon.svg', 'image/svg+xml; charset=utf-8'],
])('serves %s as %s', async (name, type) => {
  const answer = await request(`/console/${name}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe(type);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
});

const asIs = (body: Buffer): Buffer => body;
test.each([
  ['gzip', 'gzip', gunzipSync],
  ['gzip, deflate, br', 'br', brotliDecompressSync],
  ['identity', null, asIs],
  ['gzip;q=0', null, asIs],
])(
  'answers Accept-Encoding: %s with the %s file of the build',
  async (accept, encoding, decode) => {
    for (const url of ['/', '/console/index-B1a2c3d4.js']) {
      const headers = { 'accept-encoding': accept };
      const answer = await request(url, { headers });
      expect(answer.headers.get('content-encoding')).toBe(encoding);
      expect(answer.headers.get('vary')).toBe('Accept-Encoding');
      const body = Buffer.from(await answer.arrayBuffer());
      expect(decode(body).toString()).toBe(url === '/' ? html[1] : script[1]);
      const head = await request(url, { method: 'HEAD', headers });
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect(head.headers.get('content-length')).toBe(String(body.length));
      expect(head.headers.get('cache-control')).toBe(answer.headers.get('cache-control'));
    }
  },
);

test.each([
  '/console/../secret.js',
  '/console/..%2fsecret.js',
  '/console/%2e%2e/secret.js',
  '/console/..%5csecret.js',
  '/console/fonts/..%2f..%2fsecret.js',
  '/console/%2fetc%2fpasswd',
  '/console//etc/hostname.js',
  '/console/index-B1a2c3d4.js%00.svg',
  '/console/fonts',
  '/console/none.js',
])('answers 404 for %s', async (name) => {
  const answer = await request(name);
  expect(answer.status).toBe(404);
  expect(answer.headers.get('cache-control') ?? 'no-store').toBe('no-store');
  expect(await answer.text()).not.toContain('a secret');
});

test('explains how to build the page if it is missing, and the API works', async () => {
  const { request } = createApiApp({ bundleDir: path.join(bundleDir, 'none') });
  const answer = await request('/');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  expect(await answer.text()).toContain('make console');
  expect((await request('/api/status')).status).toBe(200);
});
