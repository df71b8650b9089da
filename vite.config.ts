import { defineConfig } from 'vite';

// `make console` bundles src/console/page into src/console/dist, which the chat service serves at / and /console/.
export default defineConfig({
  root: 'src/console/page',
  base: '/console/',
  publicDir: false,
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
