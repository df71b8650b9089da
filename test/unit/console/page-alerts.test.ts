/** The console's list of rules. */
import { expect, test } from 'vitest';
import { isHeldBack } from '../../../src/console/page/alerts/held-back.ts';
import type { AlertingRule } from '../../../src/console/server/answers.ts';

const rule: AlertingRule = {
  name: 'ChatErrorBudgetBurn',
  severity: 'critical',
  labels: {},
  summary: { en: '', zh: '' },
  state: 'inactive',
  query: 'errors:1h > 0.14 and errors:5m > 0.14',
  bound: { operator: '>', value: 0.14 },
  unit: '1',
  forSeconds: 120,
  value: 0.3,
  lastFiredAt: null,
};

test('only a quiet rule with a second condition, whose value is past its threshold, is held back', () => {
  expect(isHeldBack(rule)).toBe(true);
  expect(isHeldBack({ ...rule, bound: { operator: '<', value: 0.5 } })).toBe(true);
  for (const other of [
    { value: 0.1 },
    { value: null },
    { state: 'pending' as const },
    { query: 'failures > 0.14' },
  ]) {
    expect(isHeldBack({ ...rule, ...other })).toBe(false);
  }
});
