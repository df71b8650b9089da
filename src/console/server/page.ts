/** GET / and /console/{file}: the console's page as Vite built it into `src/console/dist`. No other file is ever read. */
import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { acceptsGzip } from '../../../otel/prometheus/scrape.ts';
import type { ApiEnv } from '../../api/request-context.ts';
import { createConsoleError } from './text.ts';

interface Built {
  body: Uint8Array<ArrayBuffer>;
  gzipped: Uint8Array<ArrayBuffer>;
  type: string;
}

export const bundleDir = path.join(import.meta.dirname, '../dist');

const notBuilt = `The console's page is not built yet. Run \`make console\`, then load this again; the API is at /openapi.json.
控制台页面尚未构建。请运行 make console，然后刷新本页；API 说明见 /openapi.json。
`;

/** Scripts and styles of our own and nothing else: no inline script, no other host, no frame, no markup from a string. */
const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

const compress = promisify(gzip);

/** `guard` stands before both routes. */
export function createPage(bundleDir: string, guard: MiddlewareHandler<ApiEnv>): Hono<ApiEnv> {
  // A hash in its name: a file that was read once is always the same.
  const kept = new Map<string, Built>();
  const app = new Hono<ApiEnv>();
  app.get('/', guard, async (c) => {
    const index = await readBuilt(bundleDir, 'index.html');
    if (index === undefined) return c.text(notBuilt, 503);
    return send(c, index, 'no-cache');
  });
  app.get('/console/:file{.+}', guard, async (c) => {
    const name = c.req.param('file');
    const file = kept.get(name) ?? (await readBuilt(bundleDir, name));
    if (file === undefined) {
      throw createConsoleError('not_found', {
        en: 'file: expected one that the page names, got another. Load the page again.',
        zh: 'file：应为页面引用的文件，收到的是其他名称。请重新加载页面。',
      });
    }
    const isHashed = /-[\w-]{8,}\.\w+$/.test(name);
    if (isHashed) kept.set(name, file);
    return send(c, file, isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
  });
  return app;
}

function send(c: Context, { body, gzipped, type }: Built, cacheControl: string): Response {
  const isGzip = acceptsGzip(c.req.header('accept-encoding'));
  return c.body(isGzip ? gzipped : body, 200, {
    ...pageHeaders,
    'content-type': type,
    'cache-control': cacheControl,
    vary: 'accept-encoding',
    ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
  });
}

/** `name` has to be one of the names in the folder: a path that leads elsewhere is none of them. */
async function readBuilt(folder: string, name: string): Promise<Built | undefined> {
  const names: string[] = await readdir(folder, { recursive: true }).catch(() => []);
  const type = types[path.extname(name)];
  if (type === undefined || !names.includes(name)) return undefined;
  const content = await readFile(path.join(folder, name));
  return { body: new Uint8Array(content), gzipped: new Uint8Array(await compress(content)), type };
}
