/** Every query of a panel, rule, runbook or page uses only existing names, and a misspelt query is found. */
import { describe, expect, test } from 'vitest';
import { panels } from '../../../otel/panels/dashboards.ts';
import {
  dataSourcesFile,
  findQueries,
  problemsOf,
  queriesOfDataSources,
  queriesOfPage,
  queriesOfPanel,
  queriesOfRules,
  type FoundQuery,
} from '../../support/otel/prometheus-queries.ts';
import {
  bucketsOf,
  knownSeries,
  readRuleFiles,
  readText,
} from '../../support/otel/prometheus-series.ts';
import { operandsOf, seriesIn } from '../../support/otel/prometheus-grammar.ts';

const rules = [...readRuleFiles().values()].flat();
const known = knownSeries(rules);
const queries = findQueries();
const problems = (found: FoundQuery[]): string[] =>
  found.flatMap((query) =>
    problemsOf(query, known, rules).map((problem) => `${query.where}: ${problem}`),
  );

test('every query uses only existing series, labels and bounds', () => {
  expect(queries.length).toBeGreaterThan(100);
  expect(problems(queries)).toEqual([]);
});

test('every threshold of a quantile panel is below the last finite bound', () => {
  for (const { id, queries, thresholds } of panels) {
    for (const { expr } of queries.filter(({ expr }) => expr.includes('histogram_quantile'))) {
      const last = Math.max(...seriesIn(expr).flatMap((name) => bucketsOf(name, rules)));
      expect.soft(thresholds?.red ?? 0, id).toBeLessThan(last);
      expect.soft(thresholds?.orange ?? 0, id).toBeLessThan(last);
    }
  }
});

describe('a misspelling is found', () => {
  const [panel] = panels;
  if (panel === undefined) throw new Error('expected a panel, found none');
  const misspellPanel = (from: string, to: string): FoundQuery[] =>
    queriesOfPanel({
      id: panel.id,
      queries: panel.queries.map(({ expr }) => ({ expr: expr.replace(from, to), legend: '' })),
    });

  const seed = 'alerting/generated/seed-alerts.yml';
  const page = 'alerting/runbooks/HighLatency.md';

  test.each<[string, FoundQuery[], string]>([
    [
      'of a series in a panel',
      misspellPanel('http_requests_total', 'http_request_total'),
      'no series http_request_total',
    ],
    ['of a label in a panel', misspellPanel('instance', 'instanec'), 'no label instanec'],
    [
      'of a label in a legend',
      queriesOfPanel({ id: 'x', queries: [{ expr: 'sum by (job) (up)', legend: '{{jbo}}' }] }),
      'no label jbo in its result',
    ],
    [
      'of a series in a rule',
      queriesOfRules(
        seed,
        readText(seed).replace(
          'http_request_duration_seconds_bucket',
          'http_request_duration_second_bucket',
        ),
      ),
      'no series http_request_duration_second_bucket',
    ],
    [
      'of a label in a rule',
      queriesOfRules(seed, readText(seed).replace('status_code=~', 'statuscode=~')),
      'no label statuscode in http_requests_total',
    ],
    [
      'of a bound in a rule',
      queriesOfRules(seed, readText(seed).replace('> 5\n', '> 500\n')),
      '500 is no bound within the buckets of http_request_duration_seconds_bucket',
    ],
    [
      'of a series in a runbook',
      queriesOfPage(page, readText(page).replace('inference_queue_depth', 'inference_queue_dept')),
      'no series inference_queue_dept',
    ],
    [
      'of a grouping in a runbook',
      queriesOfPage(page, readText(page).replace('by (le)', 'by (el)')),
      'no label el',
    ],
    [
      'of an example on the page of metrics',
      queriesOfPage(
        'otel/generated/metrics.md',
        readText('otel/generated/metrics.md').replace(
          '(inference_requests_total',
          '(inference_request_total',
        ),
      ),
      'no series inference_request_total',
    ],
    [
      'of a query in the README',
      queriesOfPage(
        'README.md',
        readText('README.md').replace(
          'model_inference_duration_seconds_sum',
          'model_inference_duration_second_sum',
        ),
      ),
      'no series model_inference_duration_second_sum',
    ],
    [
      'of a query behind a trace',
      queriesOfDataSources(
        dataSourcesFile,
        readText(dataSourcesFile).replace('inference_queue_depth', 'inference_queued'),
      ),
      'no series inference_queued',
    ],
    [
      'of PromQL itself',
      queriesOfPage('x.md', '```promql\nsum(rate(up[5m])\n```\n'),
      'not PromQL: sum(rate(up[5m])',
    ],
    [
      'of a bound that is matched',
      queriesOfPage('x.md', '```promql\ninference_duration_seconds_bucket{le="5"}\n```\n'),
      '5 is no bound within the buckets of inference_duration_seconds_bucket',
    ],
  ])('%s', (_, found, problem) => {
    expect(problems(found).join('\n')).toContain(problem);
  });
});

test.each([
  ['up == 0', ['up']],
  ['(a / b > 0.5 and on (job) c >= 5) unless d', ['a / b', 'c', 'd']],
  ['absent(up{job="x"}) or vector(1)', ['up{job="x"}', 'vector(1)']],
  ['rate(a[5m]) / (rate(b[5m]) > 0)', ['rate(a[5m]) / (rate(b[5m]) > 0)']],
])('the operands of %s must have a value', (expr, operands) => {
  expect(operandsOf(expr)).toEqual(operands);
});
