import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** Writes a .br and a .gz beside each text file: the chat service sends them to browsers that accept them. */
const precompress: Plugin = {
  name: 'precompress',
  writeBundle({ dir = '' }, bundle) {
    for (const file of Object.values(bundle)) {
      if (!/\.(css|html|js|svg)$/.test(file.fileName)) continue;
      const content = file.type === 'chunk' ? file.code : file.source;
      const target = path.join(dir, file.fileName);
      writeFileSync(`${target}.br`, brotliCompressSync(content));
      writeFileSync(`${target}.gz`, gzipSync(content));
    }
  },
};

/**
 * Moves the style sheet below the header of index.html. The first paint does not wait for a style sheet in the body; the script, which
 * draws the rest, does.
 */
const paintFirst: Plugin = {
  name: 'paint-first',
  transformIndexHtml: {
    order: 'post',
    handler(html) {
      const [link = ''] = /<link rel="stylesheet"[^>]*>/.exec(html) ?? [];
      return html.replace(link, '').replace('</body>', `  ${link}\n  </body>`);
    },
  },
};

// `make console` bundles src/console/page into src/console/dist, which the chat service serves at / and /console/.
export default defineConfig({
  root: 'src/console/page',
  // Relative, so that the page also works below the path of a proxy: https://example.org/llm/.
  base: './',
  experimental: {
    renderBuiltUrl: (file, { hostType }) =>
      hostType === 'html' ? `./console/${file}` : { relative: true },
  },
  publicDir: false,
  plugins: [paintFirst, precompress],
  build: {
    outDir: '../dist',
    assetsDir: '',
    emptyOutDir: true,
    target: 'es2023',
    // Inlined assets become data: URLs, which the Content-Security-Policy of the page forbids.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
});
