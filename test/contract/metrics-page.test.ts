/** The page of metrics is the contract as it is now. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { metricsPage, writeMetricsPage } from '../../otel/metrics-page.ts';

test('otel/generated/metrics.md is what names.ts says; else run node otel/metrics-page.ts', () => {
  expect(readFileSync(metricsPage, 'utf8')).toBe(writeMetricsPage());
});
