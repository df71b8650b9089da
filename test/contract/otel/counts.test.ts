/** The counts of the panels are whole numbers and true, by promtool's evaluation of their query. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { counted } from '../../../otel/promql.ts';
import { promtool } from '../../support/alerting/rules.ts';

const labels = 'job="chat", instance="a"';
const counter = `requests_total{${labels}}`;
const up = { series: `up{${labels}}`, values: '1x480' };

interface Situation {
  /** At 15 s a sample, in promtool's notation: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series */
  input: { series: string; values: string }[];
  at: string;
  window: string;
  count: number;
}

/** Seconds since 1970; promtool's clock begins there. */
const startedAt = (seconds: number) => ({
  series: `process_start_time_seconds{${labels}}`,
  values: `${seconds}x480`,
});

const situations: Record<string, Situation> = {
  'six requests at odd times': {
    input: [up, startedAt(0), { series: counter, values: '0x100 1x3 3x4 6x400' }],
    at: '60m',
    window: '1h',
    count: 6,
  },
  'only those of the window': {
    input: [up, startedAt(0), { series: counter, values: '0x10 4x9 9x400' }],
    at: '10m',
    window: '5m',
    count: 5,
  },
  'a restart in between': {
    input: [up, startedAt(0), { series: counter, values: '7x10 9x10 _x3 0x3 4x200' }],
    at: '50m',
    window: '1h',
    count: 13,
  },
  'scrapes that failed for ten minutes': {
    input: [up, startedAt(0), { series: counter, values: '2x10 stale _x40 5x200' }],
    at: '50m',
    window: '1h',
    count: 5,
  },
  'a series that begins with its first request': {
    input: [up, startedAt(0), { series: counter, values: '_x100 1x10 3x200' }],
    at: '50m',
    window: '1h',
    count: 3,
  },
  'requests before the first scrape of a new process': {
    input: [startedAt(0), { series: counter, values: '_x3 2x10 3x200' }],
    at: '20m',
    window: '1h',
    count: 3,
  },
  'an old process that Prometheus has not known': {
    input: [startedAt(-90_000), { series: counter, values: '5000x10 5001x200' }],
    at: '20m',
    window: '1h',
    count: 1,
  },
};

test('a count is whole and true', () => {
  const tests = Object.entries(situations).map(([name, { input, at, window, count }]) => ({
    interval: '15s',
    input_series: input,
    promql_expr_test: [
      {
        // The name of the situation is part of the message of a failure.
        expr: `label_replace(${counted(counter, { window })}, "situation", "${name}", "", "")`,
        eval_time: at,
        exp_samples: [{ labels: `{situation="${name}"}`, value: count }],
      },
    ],
  }));
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope-counts-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'counts.test.yaml');
  writeFileSync(file, stringify({ evaluation_interval: '15s', tests }));
  expect(promtool('test', 'rules', file)).toContain('SUCCESS');
});
