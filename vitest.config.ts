import { defineConfig } from 'vitest/config';

// Tests start real processes (an engine, Prometheus, Alertmanager) on a machine of two cores: one file at a time
// keeps the engine's spin barriers from fighting each other.
export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration}/**/*.test.ts', 'test/e2e/compose.ts'],
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
