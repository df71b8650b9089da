import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// OpenTelemetry's globals can be set once per process, so these files get a worker each.
const telemetryTests = [
  'test/unit/otel/**/*.test.ts',
  'test/contract/otel/**/*.test.ts',
  'test/unit/alerting/notifier-traces.test.ts',
  'test/unit/tap/tap.test.ts',
];

/** Vitest starts large files first while it knows no durations. These are small and slow, and would run alone at the end. */
const slow =
  /\/(storm|notifier-kill|determinism|rules-as-shipped|smollm|python-package)\.test\.ts$/;

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- this is no array
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

function isSlow({ moduleId }: TestSpecification): boolean {
  return slow.test(moduleId);
}

export default defineConfig({
  test: {
    globalSetup: ['test/support/temporary-folder.ts', 'test/support/shared-services.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { sequencer: SlowFirst },
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
          // These tests wait for processes much of the time, so five files at once keep two cores busy.
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
