import { defineConfig } from 'vitest/config';

// Tests start real processes (an engine, Prometheus, Alertmanager) and wait for them a third of the time: three files at once
// keep a machine of two cores busy, since an engine of one thread has no spin barrier to lose itself in. What is waited for
// may take its time on a slower one.
export default defineConfig({
  test: {
    include: ['test/{unit,contract,integration,e2e}/**/*.test.ts'],
    globalSetup: 'test/support/temporary-folder.ts',
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
