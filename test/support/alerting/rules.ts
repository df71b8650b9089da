/** The rules, their promtool tests and runbooks, and promtool itself. Used by the tests of the rules. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';
import { ruleFiles } from '../../../alerting/rules.ts';

const root = join(import.meta.dirname, '../../..');
const rulesDir = join(root, 'alerting/rules');
export const runbooksDir = join(root, 'alerting/runbooks');
export const files = ruleFiles();
export const rules = files.flatMap((file) => file.groups.flatMap((group) => group.rules));
export const alerts = rules.filter((rule) => 'alert' in rule);

export interface Runbook {
  name: string;
  page: string;
  queries: string[];
}

export const runbooks: Runbook[] = readdirSync(runbooksDir).map((file) => {
  const page = readFileSync(join(runbooksDir, file), 'utf8');
  const queries = [...page.matchAll(/```promql\n([^`]*)\n```/g)].map(([, query = '']) => query);
  return { name: file.replace(/\.md$/, ''), page, queries };
});

export interface AlertCheck {
  test: string;
  alertname: string;
  exp_alerts: { exp_labels: Record<string, string>; exp_annotations: Record<string, string> }[];
}

/** Every `alert_rule_test` of the promtool tests. */
export const alertChecks: AlertCheck[] = files.flatMap(({ name }) => {
  const { tests } = parse(readFileSync(join(rulesDir, `${name}.test.yaml`), 'utf8')) as {
    tests: { name: string; alert_rule_test?: Omit<AlertCheck, 'test'>[] }[];
  };
  return tests.flatMap((test) =>
    (test.alert_rule_test ?? []).map((check) => Object.assign(check, { test: test.name })),
  );
});

/**
 * Runs promtool in `alerting/rules/`: the program in PROMTOOL, on PATH, or in `.tools`.
 * @throws Error if it is missing or fails; the message has its output.
 */
export function promtool(...args: string[]): string {
  const debian = join(root, '.tools/debian/usr/bin');
  const program = process.env['PROMTOOL'] ?? 'promtool';
  const PATH = [process.env['PATH'], debian].join(delimiter);
  try {
    const options = { cwd: rulesDir, env: { ...process.env, PATH }, encoding: 'utf8' } as const;
    return execFileSync(program, args, { ...options, stdio: 'pipe' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      const message = `promtool: not found in PROMTOOL, PATH or ${debian}. Run make test, which installs it.`;
      throw new Error(message, { cause: error });
    }
    throw error;
  }
}
