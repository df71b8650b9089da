/** The configuration for many replicas, `stack/fleet/`: what its Prometheus drops, and its recording rules. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { metrics, type MetricDefinition } from '../../../otel/names.ts';
import { formatBound } from '../../../otel/prometheus/prometheus-names.ts';
import { defaultThresholds, type Threshold } from '../../../otel/thresholds.ts';
import { seriesIn, unknownNames } from '../../support/otel/prometheus-grammar.ts';
import { knownSeries, readRuleFiles, type Rule } from '../../support/otel/prometheus-series.ts';
import { root } from '../../support/stack/sandbox.ts';

const read = (file: string): unknown =>
  parse(readFileSync(path.join(root, 'stack/fleet', file), 'utf8'));
const { scrape_configs: jobs } = read('prometheus.yml') as {
  scrape_configs: {
    metric_relabel_configs: { action: string; source_labels: string[]; regex: string }[];
  }[];
};
const drops = jobs[0]!.metric_relabel_configs;
const isDropped = (name: string, le = '') =>
  drops.some(({ source_labels: labels, regex }) =>
    new RegExp(`^(?:${regex})$`).test(labels.length === 1 ? name : `${name};${le}`),
  );
const rules = [...readRuleFiles().values()].flat();
const fleet = (read('fleet-rules.yml') as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

test('no rule reads a series that is dropped', () => {
  expect(isDropped('v8js_gc_duration_seconds_bucket', '0.1')).toBe(true);
  const read = [...rules, ...fleet].flatMap(({ expr }) => seriesIn(expr));
  expect(read.filter((name) => isDropped(name))).toEqual([]);
});

test('the bound of every alert stays, and a larger one', () => {
  const checked = Object.values<Threshold>(defaultThresholds).filter(({ metric }) => metric);
  for (const { above = Number.NaN, metric = 'inferenceReady' } of checked) {
    const { scraped, buckets = [] } = metrics[metric] as MetricDefinition & { scraped: string };
    const kept = buckets.filter((bound) => !isDropped(`${scraped}_bucket`, formatBound(bound)));
    expect(kept).toContain(above);
    expect(kept.at(-1)).toBeGreaterThan(above);
  }
});

test('the rules of a fleet use series that exist', () => {
  const known = knownSeries(rules);
  for (const { expr } of fleet) expect(unknownNames(expr, known)).toEqual([]);
});
