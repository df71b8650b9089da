/** The console's page as the service hands it out, from a bundle of the test's own. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createApiApp } from '../../support/api/app.ts';

function createBundle(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'console-'));
  const dist = path.join(folder, 'dist');
  mkdirSync(path.join(dist, 'fonts'), { recursive: true });
  writeFileSync(path.join(folder, 'secret.js'), 'a secret');
  writeFileSync(path.join(dist, 'index.html'), '<!doctype html><title>console</title>');
  writeFileSync(path.join(dist, 'index-B1a2c3d4.js'), '"script";');
  writeFileSync(path.join(dist, 'fonts/mono-B1a2c3d4.woff2'), 'font');
  writeFileSync(path.join(dist, 'favicon.svg'), '<svg/>');
  writeFileSync(path.join(dist, 'notes'), 'of no type that a page has');
  return dist;
}

const bundleDir = createBundle();
const { request } = createApiApp({ console: { bundleDir } });

test('runs scripts and styles of its own and nothing else', async () => {
  const answer = await request('/');
  expect(await answer.text()).toContain('<title>console</title>');
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = answer.headers.get('content-security-policy')!.split('; ');
  expect(policy).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]),
  );
  expect(policy.join(' ')).not.toMatch(/unsafe|\*|https?:/);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
});

test('is asked for anew each time, and what has a hash in its name never again', async () => {
  const caching = async (name: string) => (await request(name)).headers.get('cache-control');
  expect(await caching('/')).toBe('no-cache');
  expect(await caching('/console/favicon.svg')).toBe('no-cache');
  expect(await caching('/console/index-B1a2c3d4.js')).toBe('public, max-age=31536000, immutable');
});

test.each([
  ['index-B1a2c3d4.js', 'text/javascript; charset=utf-8'],
  ['fonts/mono-B1a2c3d4.woff2', 'font/woff2'],
  ['favicon.svg', 'image/svg+xml'],
])('hands out %s as %s', async (name, type) => {
  const answer = await request(`/console/${name}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe(type);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
});

test('is smaller for who takes gzip', async () => {
  const answer = await request('/console/index-B1a2c3d4.js', {
    headers: { 'accept-encoding': 'gzip' },
  });
  expect(answer.headers.get('content-encoding')).toBe('gzip');
  const stream = answer.body!.pipeThrough(new DecompressionStream('gzip'));
  expect(await new Response(stream).text()).toBe('"script";');
});

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
  '/console/notes',
  '/console/none.js',
])('reads no file for %s', async (name) => {
  const answer = await request(name);
  expect(answer.status).toBe(404);
  expect(await answer.text()).not.toContain('a secret');
});

test('says in one sentence how the page is built where it is not, and goes on', async () => {
  const { request } = createApiApp({ console: { bundleDir: path.join(bundleDir, 'none') } });
  const answer = await request('/');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  expect(await answer.text()).toContain('make console');
  expect((await request('/api/status')).status).toBe(200);
});
