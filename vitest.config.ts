import { defineConfig } from 'vitest/config';

// Tests start real processes (an engine, Prometheus, Alertmanager) and wait for them most of the time: two files at once
// fit a machine of two cores, since an engine of one thread has no spin barrier to lose itself in. What is waited for may
// take its time on a slower one.
export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration}/**/*.test.ts', 'test/e2e/compose.ts'],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
