import { defineConfig } from 'vitest/config';

// Tests start real processes (an engine, Prometheus, Alertmanager) and wait for them most of the time: two files at once
// fit a machine of two cores, since an engine of one thread has no spin barrier to lose itself in.
export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration}/**/*.test.ts', 'test/e2e/compose.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
