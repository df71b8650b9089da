/** GET / and /console/{file}: the console's page as `vite build` wrote it into `src/console/dist`, with its .br and .gz files. */
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ApiEnv } from '../../api/request-context.ts';
import { ChatError } from '../../errors.ts';

export const bundleDir = path.join(import.meta.dirname, '../dist');

const notBuilt = `The console's page is not built yet. Run \`make console\`, then reload. The API is described at /openapi.json.
控制台页面尚未构建。请运行 make console，然后刷新本页。API 说明见 /openapi.json。
`;

type InlineHashes = Record<'script' | 'style', string[]>;

/** Allows scripts and styles of this origin, and `inline` ones by their hashes: no other host, no frame, no markup from a string. */
function createPageHeaders(inline: InlineHashes): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'", ...inline.script],
      styleSrc: ["'self'", ...inline.style],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      requireTrustedTypesFor: ["'script'"],
      trustedTypes: ["'none'"],
    },
    // HSTS applies to every program on the host, so its operator has to set it.
    strictTransportSecurity: false,
    xFrameOptions: 'DENY',
  });
}

/** A file with a hash in its name never changes; browsers revalidate every other one. */
const cacheHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  if (!c.res.ok) return;
  const isHashed = /-[\w-]{8,}\.\w+$/.test(c.req.path);
  c.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
  c.header('vary', 'Accept-Encoding');
};

/**
 * The sources that allow the inline script and style of the built index.html. Read on each visit, because `make console` may have
 * written another one: 0.1 ms.
 */
function hashInline(file: string): InlineHashes {
  const html = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const hash = (tag: string): string[] =>
    [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(
      ([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
    );
  return { script: hash('script'), style: hash('style') };
}

/** @param guard runs before both routes */
export function createPage(bundleDir: string, guard: MiddlewareHandler<ApiEnv>): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  const file = path.join(bundleDir, 'index.html');
  const indexHeaders: MiddlewareHandler = (c, next) => createPageHeaders(hashInline(file))(c, next);
  const index = serveStatic({ path: file, precompressed: true });
  app.get('/', guard, indexHeaders, cacheHeaders, index, (c) => c.text(notBuilt, 503));
  const files = serveStatic({
    rewriteRequestPath: (url) => path.join(bundleDir, url.slice('/console/'.length)),
    precompressed: true,
  });
  const fileHeaders = createPageHeaders({ script: [], style: [] });
  app.get('/console/:file{.+}', guard, fileHeaders, cacheHeaders, files, () => {
    throw new ChatError('not_found', 'file: not part of the page. Reload the page.', {
      zh: 'file：页面中没有这个文件。请刷新页面。',
    });
  });
  return app;
}
