import { defineConfig } from 'vitest/config';

// OpenTelemetry's globals can be set once per process, so these files get a worker each.
const telemetryTests = [
  'test/unit/otel/**/*.test.ts',
  'test/contract/otel/**/*.test.ts',
  'test/unit/alerting/notifier-traces.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/support/temporary-folder.ts', 'test/support/shared-services.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/{unit,contract}/**/*.test.ts'],
          exclude: telemetryTests,
          pool: 'threads',
          isolate: false,
          maxWorkers: '100%',
        },
      },
      {
        extends: true,
        test: { name: 'telemetry', include: telemetryTests, pool: 'threads', maxWorkers: '100%' },
      },
      {
        extends: true,
        test: {
          // These tests wait for processes most of the time, so five files at once keep two cores busy.
          name: 'integration',
          include: ['test/{integration,e2e}/**/*.test.ts'],
          isolate: false,
          unstubEnvs: true,
          maxWorkers: 5,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
