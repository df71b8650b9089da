/** The committed rule files against their source, against promtool, and against the names and buckets of the contract. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ruleFiles, writeRuleFile } from '../../alerting/rules.ts';
import { thresholds } from '../../alerting/thresholds.ts';
import type { Threshold } from '../../alerting/thresholds.ts';
import { metrics } from '../../otel/names.ts';
import type { MetricDefinition } from '../../otel/names.ts';

const root = join(import.meta.dirname, '../..');
const rulesDir = join(root, 'alerting/rules');
const runbooksDir = join(root, 'alerting/runbooks');
const files = ruleFiles();
const rules = files.flatMap((file) => file.groups.flatMap((group) => group.rules));
const alerts = rules.filter((rule) => 'alert' in rule);
const definitions: readonly MetricDefinition[] = Object.values(metrics);

function promtool(...args: string[]): string {
  const debian = join(root, '.tools/debian/usr/bin');
  const program = process.env['PROMTOOL'] ?? 'promtool';
  const PATH = [process.env['PATH'], debian].join(delimiter);
  try {
    const options = { cwd: rulesDir, env: { ...process.env, PATH }, encoding: 'utf8' } as const;
    return execFileSync(program, args, { ...options, stdio: 'pipe' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      const message = `promtool: expected in PROMTOOL, on PATH or in ${debian}, found none; run make test, which brings it`;
      throw new Error(message, { cause: error });
    }
    throw error;
  }
}

/** Names that a query reads: what is left of PromQL without strings, matchers, groupings, calls and keywords. */
function namesIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
    .replaceAll(/\b[a-z_]+\s*\(/g, '');
  const keywords = new Set(['and', 'or', 'unless', 'bool', 'offset', 'sum', 'max', 'min', 'count']);
  return [...bare.matchAll(/(?<![\w.])[A-Za-z_:][\w:]*/g)]
    .map(([name]) => name)
    .filter((name) => !keywords.has(name));
}

const scraped = definitions.flatMap(({ kind, scraped: name }) =>
  kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
);
const known = new Set([
  ...scraped,
  ...rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])),
  'up',
  'ALERTS',
]);

describe('the committed rules', () => {
  test.each(files)('$name is what rules.ts writes', (file) => {
    const committed = readFileSync(join(rulesDir, `${file.name}.yml`), 'utf8');
    expect(committed, 'run `node alerting/rules.ts` and commit').toBe(writeRuleFile(file));
  });

  test('no rule file lies about that rules.ts does not write', () => {
    const found = readdirSync(rulesDir).filter((name) => name.endsWith('.yml'));
    expect(found.toSorted()).toEqual(files.map(({ name }) => `${name}.yml`).toSorted());
  });

  test('promtool accepts every file', () => {
    const paths = files.map(({ name }) => `${name}.yml`);
    expect(promtool('check', 'rules', ...paths)).not.toContain('FAILED');
  });

  test.each(files)('promtool proves $name as shipped', ({ name }) => {
    expect(promtool('test', 'rules', `${name}.test.yaml`)).toContain('SUCCESS');
  });

  test('promtool accepts them with shortened windows', () => {
    const fast = ruleFiles({ timeScale: 30 }).map(writeRuleFile).join('');
    expect(fast).toContain('[10s]');
    expect(fast).toContain('for: 4s');
    expect(fast).not.toMatch(/\[5m\]|for: 5m/);
  });
});

describe('the names and numbers in the rules', () => {
  const expressions = rules.map((rule) => ({
    name: 'record' in rule ? rule.record : rule.alert,
    expr: rule.expr,
  }));
  test.each(expressions)('$name reads only names that exist', ({ expr }) => {
    expect(namesIn(expr).filter((name) => !known.has(name))).toEqual([]);
  });

  test('a misspelt name is seen', () => {
    const expr = 'sum by (job) (rate(inference_duratoin_seconds_sum{a="b"}[5m])) > 5 and up == 1';
    expect(namesIn(expr).filter((name) => !known.has(name))).toEqual([
      'inference_duratoin_seconds_sum',
    ]);
  });

  test.each(Object.entries<Threshold>(thresholds).filter(([, { metric }]) => metric))(
    'the bound of %s lies inside its buckets',
    (_, { above = Number.NaN, metric = 'inferenceReady' }) => {
      const { buckets = [] }: MetricDefinition = metrics[metric];
      // On a bound the quantile is exact, and at least one finite bucket lies above for it to land in.
      expect(buckets).toContain(above);
      expect(buckets.at(-1)).toBeGreaterThan(above);
    },
  );
});

describe('what a person gets with an alert', () => {
  test.each(alerts)('$alert says what and how much in two languages', ({ alert, annotations }) => {
    expect(annotations['summary']).not.toContain('$value');
    expect(annotations['summary_zh']).toMatch(/\p{Script=Han}/u);
    for (const key of ['description', 'description_zh'])
      expect(annotations[key]).toContain('$value');
    expect(annotations['runbook_url']).toMatch(new RegExp(`^http.*/${alert}$`));
    expect(annotations['dashboard_url']).toMatch(/^http/);
  });

  test.each(alerts)('$alert has a severity and a job to inhibit by', ({ labels, expr }) => {
    expect(['critical', 'warning', 'none']).toContain(labels['severity']);
    // An expression over `up` keeps the job of its target.
    expect(labels['job'] ?? expr).toMatch(/^(qwen-instruct|prometheus|up == 0)$/);
  });

  test.each(alerts)('$alert has a runbook in English and Chinese', ({ alert }) => {
    const page = readFileSync(join(runbooksDir, `${alert}.md`), 'utf8');
    expect(page).toMatch(new RegExp(`^# ${alert}\\n`));
    expect(page).toMatch(/\n## 中文\n/);
  });

  test('every runbook query reads only names that exist', () => {
    for (const name of readdirSync(runbooksDir)) {
      const page = readFileSync(join(runbooksDir, name), 'utf8');
      const queries = [...page.matchAll(/```promql\n([^`]*)```/g)].map(([, query = '']) => query);
      const unknown = queries.flatMap(namesIn).filter((metric) => !known.has(metric));
      expect({ name, unknown }).toEqual({ name, unknown: [] });
    }
  });

  test('every runbook belongs to an alert', () => {
    for (const name of readdirSync(runbooksDir)) {
      expect(alerts.map(({ alert }) => `${alert}.md`)).toContain(name);
    }
  });
});
