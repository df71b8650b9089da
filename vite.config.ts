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
  plugins: [precompress],
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
