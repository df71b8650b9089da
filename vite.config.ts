import { defineConfig } from 'vite';

// The console: `vite build` bundles src/console/page into src/console/dist, which the chat service hands out.
export default defineConfig({
  root: 'src/console/page',
  base: '/console/',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist',
    assetsDir: '',
    emptyOutDir: true,
    target: 'es2023',
    // As files: the page's policy allows no data: URL.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
});
