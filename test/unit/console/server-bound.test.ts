/** The threshold of a rule, found in its condition. */
import { expect, test } from 'vitest';
import { ruleFiles } from '../../../alerting/rules.ts';
import { findComparison } from '../../../src/console/server/bound.ts';
import { isQuery } from '../../support/otel/prometheus-grammar.ts';

test.each([
  ['up == 0', 'up', '==', 0],
  ['rate(a{b="x > 1"}[5m]) > 0.05 and c >= 5', 'rate(a{b="x > 1"}[5m])', '>', 0.05],
  ['a / (b > 0) > 1e-3', 'a / (b > 0)', '>', 0.001],
  ['(a > 0.144 and b > 0.144) or (c > 0.06)', 'a', '>', 0.144],
  ['(a + b) / c < -2', '(a + b) / c', '<', -2],
  ['a{b="\\"> 3"} >= 4', 'a{b="\\"> 3"}', '>=', 4],
])('%s compares %s', (query, left, operator, value) => {
  expect(findComparison(query)).toEqual({ left, operator, value });
});

test.each(['vector(1)', 'absent(up)', '(up == 1 unless on (job) ready) or absent(up)'])(
  '%s has no threshold',
  (query) => {
    expect(findComparison(query)).toBeUndefined();
  },
);

test('every rule as shipped has a threshold whose left side is a query, except two', () => {
  const rules = ruleFiles().flatMap(({ groups }) =>
    groups.flatMap(({ rules }) => rules.filter((rule) => 'alert' in rule)),
  );
  const found = rules.map(({ alert, expr }) => ({ alert, left: findComparison(expr)?.left }));
  const without = found.filter(({ left }) => left === undefined);
  expect(without.map(({ alert }) => alert).toSorted()).toEqual(['MetricsAbsent', 'Watchdog']);
  expect(found.filter(({ left }) => left !== undefined && !isQuery(left))).toEqual([]);
});
