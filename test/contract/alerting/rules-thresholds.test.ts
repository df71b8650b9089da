/** The table of thresholds: bounds that can be crossed, and the settings that override them. */
import { expect, test } from 'vitest';
import { ruleFiles, writeRuleFile } from '../../../alerting/rules.ts';
import { defaultThresholds, readThresholds } from '../../../otel/thresholds.ts';
import type { Threshold } from '../../../otel/thresholds.ts';
import { metrics } from '../../../otel/names.ts';
import type { MetricDefinition } from '../../../otel/names.ts';

const onHistograms = Object.entries<Threshold>(defaultThresholds).filter(([, t]) => t.metric);

test.each(onHistograms)('the bound of %s lies inside its buckets', (_, threshold) => {
  const { above = Number.NaN, metric = 'inferenceReady' } = threshold;
  const { buckets = [] }: MetricDefinition = metrics[metric];
  // At a bound the quantile is exact. A larger finite bound must exist, because no quantile exceeds the last finite bound.
  expect(buckets).toContain(above);
  expect(buckets.at(-1)).toBeGreaterThan(above);
});

test('every bound of a histogram_quantile is in the table', () => {
  const text = ruleFiles().map(writeRuleFile).join('');
  const held = [...text.matchAll(/expr: histogram_quantile\(.*?\) > (?<bound>[\d.]+)(?: and|\n)/g)];
  const bounds = held.map(({ groups }) => Number(groups?.['bound']));
  expect(bounds.length).toBeGreaterThanOrEqual(5);
  const known = Object.values<Threshold>(defaultThresholds).map(({ above }) => above);
  for (const bound of bounds) expect(known).toContain(bound);
});

test('without settings the table is the default', () => {
  expect(readThresholds({ ALERT_SLO_OBJECTIVE: '', PATH: '/bin' })).toEqual(defaultThresholds);
});

test('one setting changes the objective of every error budget alert', () => {
  const thresholds = readThresholds({ ALERT_SLO_OBJECTIVE: '0.995' });
  const slo = ruleFiles({ thresholds }).find(({ name }) => name === 'slo');
  const alerts = slo?.groups[0]?.rules.filter((rule) => 'alert' in rule) ?? [];
  expect(alerts).toHaveLength(4);
  for (const { expr, annotations, labels } of alerts) {
    const bounds = [...expr.matchAll(/ratio_rate\w+{[^}]*} > ([\d.]+)/g)].map(([, bound]) => bound);
    const expected = labels['burn'] === 'fast' ? ['0.072', '0.03'] : ['0.015', '0.005'];
    expect(bounds).toEqual(expected.flatMap((bound) => [bound, bound]));
    expect(annotations['description']).toContain('allows 0.5%');
  }
});

test('a setting changes the bound in the rule and in its text', () => {
  const thresholds = readThresholds({ ALERT_TIME_TO_FIRST_TOKEN_HIGH_ABOVE: '2.5' });
  const text = ruleFiles({ thresholds }).map(writeRuleFile).join('');
  expect(text).toContain('> 2.5 and');
  expect(text).toContain('above 2.5 s for more than 5m');
});

test('one error lists every invalid setting and the expected value', () => {
  const read = () =>
    readThresholds({
      ALERT_TIME_TO_FIRST_TOKEN_HIGH_ABOVE: '200',
      ALERT_SLO_OBJECTIVE: '1',
      ALERT_QUEUE_BACKLOG_ABOVE: 'half',
      ALERT_QUEUE_BACKLOG_BELOW: '1',
    });
  expect(read).toThrow(RangeError);
  expect(read).toThrow(
    'ALERT_TIME_TO_FIRST_TOKEN_HIGH_ABOVE: expected a bucket bound of gen_ai.server.time_to_first_token',
  );
  expect(read).toThrow('ALERT_SLO_OBJECTIVE: expected from 0.94 to below 1, got 1');
  expect(read).toThrow('ALERT_QUEUE_BACKLOG_ABOVE: expected a number >= 0, got "half"');
  expect(read).toThrow('ALERT_QUEUE_BACKLOG_BELOW: no such number in otel/thresholds.ts');
});
