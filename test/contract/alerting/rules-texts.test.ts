/** Texts of the alerts: both languages, links, and runbooks that match the rules. */
import { expect, test } from 'vitest';
import { endings } from '../../../otel/names.ts';
import { alerts, rules, runbooks } from '../../support/alerting/rules.ts';

test.each(alerts)(
  '$alert has texts with the value in both languages, and links',
  ({ alert, annotations }) => {
    expect(annotations['summary']).not.toContain('$value');
    expect(annotations['summary_zh']).toMatch(/\p{Script=Han}/u);
    for (const key of ['description', 'description_zh'])
      expect(annotations[key]).toContain('$value');
    expect(annotations['runbook_url']).toMatch(new RegExp(`^http.*/${alert}$`));
    expect(annotations['dashboard_url']).toMatch(/^http/);
  },
);

test.each(alerts)(
  '$alert has a first command in both languages, unless it is the Watchdog',
  (rule) => {
    const { action_en: english, action_zh: chinese } = rule.annotations;
    const expected = rule.alert === 'Watchdog' ? /^undefined$/ : /^make [a-z]+/;
    expect(String(english)).toMatch(expected);
    expect(String(chinese)).toMatch(expected);
  },
);

test.each(alerts)('$alert has a severity, and a `for` unless it is the Watchdog', (rule) => {
  expect(['critical', 'warning', 'none']).toContain(rule.labels['severity']);
  expect(rule.for ?? 'at once').toMatch(rule.alert === 'Watchdog' ? /^at once$/ : /^\d+[smhd]$/);
});

test.each(alerts)('the runbook of $alert starts with the query of the linked graph', (rule) => {
  const runbook = runbooks.find(({ name }) => name === rule.alert);
  expect(runbook?.page ?? 'no such file in alerting/runbooks').toMatch(
    new RegExp(`^# ${rule.alert}\\n`),
  );
  const graph =
    URL.parse(rule.annotations['dashboard_url'] ?? '')?.searchParams.get('g0.expr') ?? '';
  // Both SLOs and both burn rates share one page.
  const onThePage = graph.replace('slo="latency"', 'slo="availability"').replace('1d', '1h');
  const written = rule.alert === 'ChatErrorBudgetBurn' ? onThePage : graph;
  const isOnPage = runbook?.queries.some((query) => query.startsWith(written));
  expect(isOnPage, `its first query starts with ${written}`).toBe(true);
});

test.each(runbooks)('the runbook $name has the same queries in English and Chinese', ({ page }) => {
  const [english = '', chinese = ''] = page.split('\n## 中文\n');
  for (const part of ['Means:', 'Look first', 'Confirm:']) expect(english).toContain(`**${part}`);
  expect(chinese).toMatch(/\*\*含义：\*\*/);
  expect(chinese).toMatch(/\*\*确认恢复：\*\*/);
  const blocks = (text: string): string[] => text.match(/```promql\n[^`]*```/g) ?? [];
  expect(blocks(chinese)).toEqual(blocks(english));
});

test('every runbook and every link between runbooks belongs to an alert', () => {
  const names = alerts.map(({ alert }) => alert);
  expect(runbooks.map(({ name }) => name).toSorted()).toEqual([...new Set(names)].toSorted());
  for (const { page } of runbooks) {
    for (const [, target = ''] of page.matchAll(/\]\(([^)]*)\)/g)) expect(names).toContain(target);
  }
});

test('reasons and outcomes in rules and runbooks exist', () => {
  const known = new Set([...Object.keys(endings), ...Object.values(endings).flat()]);
  const queries = [...rules.map(({ expr }) => expr), ...runbooks.flatMap((page) => page.queries)];
  const asked = queries
    .filter((query) => query.includes('inference_requests_total'))
    .flatMap((query) => query.match(/(?<=\b(?:reason|outcome)=~?")[^"]*/g) ?? [])
    .flatMap((values) => values.split('|'));
  expect(asked).toContain('queue_full');
  expect(asked.filter((value) => !known.has(value))).toEqual([]);
});

test('our recorded series are named level:metric:operation', () => {
  const recorded = rules.flatMap((rule) => ('record' in rule ? rule.record : []));
  const ours = recorded.filter((name) => name.includes(':'));
  expect(ours).not.toEqual([]);
  for (const name of ours)
    expect(name).toMatch(/^(instance|job):slo_(requests|errors):[a-z_]+\d+[mhd]$/);
});

test.each([
  [
    'HighLatency',
    'warning',
    '2m',
    'histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{job="qwen-instruct"}[5m])) by (le)) > 5',
  ],
  [
    'HighErrorRate',
    'critical',
    '5m',
    'sum(rate(http_requests_total{job="qwen-instruct",status_code=~"5.."}[5m])) / sum(rate(http_requests_total{job="qwen-instruct"}[5m])) > 0.05',
  ],
])('%s is the rule of the article, word for word', (name, severity, duration, expr) => {
  const rule = alerts.find(({ alert }) => alert === name);
  expect(rule).toMatchObject({ expr, for: duration, labels: { severity } });
});
