/** promtool on the generated rule files and on the tests in `alerting/rules/`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ruleFiles, writeRuleFile } from '../../../alerting/rules.ts';
import { alertChecks, alerts, files, promtool } from '../../support/alerting/rules.ts';

test('promtool accepts every file', () => {
  const paths = files.map(({ name }) => `../generated/${name}.yml`);
  expect(promtool('check', 'rules', '--lint-fatal', ...paths)).not.toContain('FAILED');
});

// Hours at four evaluations per minute take a while on a busy machine.
test.each(files)('promtool tests of $name pass', { timeout: 120_000 }, ({ name }) => {
  expect(promtool('test', 'rules', `${name}.test.yaml`)).toContain('SUCCESS');
});

test.each(alerts)('$alert has a test that fires it and one that must not', ({ alert }) => {
  const checks = alertChecks.filter(({ alertname }) => alertname === alert);
  const firing = checks.filter(({ exp_alerts: expected }) => expected.length > 0);
  expect(firing.map(({ test }) => test)).not.toEqual([]);
  // The Watchdog always fires.
  const silent = checks.some(({ exp_alerts: expected }) => expected.length === 0);
  expect(silent).toBe(alert !== 'Watchdog');
});

test.each(alerts)('$alert is tested with its Chinese text and a job label', ({ alert, labels }) => {
  const fired = alertChecks
    .filter(({ alertname }) => alertname === alert)
    .flatMap(({ exp_alerts: expected }) => expected)
    .find(({ exp_labels: seen }) => Object.entries(labels).every(([k, v]) => seen[k] === v));
  expect(fired?.exp_annotations['description_zh']).toMatch(/\p{Script=Han}/u);
  // Alertmanager inhibits by job.
  expect(fired?.exp_labels['job']).toMatch(/^[a-z-]+$/);
});

test('promtool accepts the rules with scaled windows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const fast = ruleFiles({ timeScale: 30 });
  const paths = fast.map((file) => {
    const path = join(folder, `${file.name}.yml`);
    writeFileSync(path, writeRuleFile(file));
    return path;
  });
  expect(promtool('check', 'rules', ...paths)).not.toContain('FAILED');
  const text = fast.map(writeRuleFile).join('');
  expect(text).toContain('[10s]');
  expect(text).toContain('for: 4s');
  expect(text).not.toMatch(/\[5m\]|for: 5m/);
});
