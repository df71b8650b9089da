/** The configuration as committed and as written for a run, held against promtool and amtool. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { writeConfiguration, type Configuration } from '../../stack/configuration.ts';
import { ensureTools, type Tools } from '../../stack/native/tools.ts';
import { readSettings } from '../../stack/settings.ts';
import { root } from '../support/stack-sandbox.ts';

const ruleFiles = readdirSync(path.join(root, 'alerting/rules')).filter((name) =>
  name.endsWith('.yml'),
);
let tools: Tools;
beforeAll(async () => {
  tools = await ensureTools(process.env['PATH'] ?? '', path.join(root, '.tools'));
});

function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope configuration-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function check({ prometheusFile, alertmanagerFile }: Configuration): string {
  const options = { encoding: 'utf8', stdio: 'pipe' } as const;
  return (
    execFileSync(tools.promtool, ['check', 'config', prometheusFile], options) +
    execFileSync(tools.amtool, ['check-config', alertmanagerFile], options)
  );
}

function write(env: Record<string, string>): Configuration {
  return writeConfiguration(readSettings({ LLAMASCOPE_RUN_DIR: scratch(), ...env }));
}

function read(...parts: string[]): string {
  return readFileSync(path.join(...parts), 'utf8');
}

describe('as committed', () => {
  test('is valid as it stands, beside the rules', () => {
    const folder = scratch();
    cpSync(path.join(root, 'stack/prometheus'), folder, { recursive: true });
    cpSync(path.join(root, 'alerting/rules'), path.join(folder, 'rules'), { recursive: true });
    const alertmanagerFile = path.join(folder, 'alertmanager.yml');
    copyFileSync(path.join(root, 'stack/alertmanager/alertmanager.yml'), alertmanagerFile);
    const told = check({ prometheusFile: path.join(folder, 'prometheus.yml'), alertmanagerFile });
    expect(told).toContain(`${ruleFiles.length} rule files found`);
    expect(told).toContain('3 inhibit rules');
  });

  test('scrapes the chat service as the job that the article names', () => {
    const { scrape_configs: jobs } = parse(read(root, 'stack/prometheus/prometheus.yml'));
    expect(jobs[0]).toMatchObject({ job_name: 'qwen-instruct', metrics_path: '/metrics' });
    expect(parse(read(root, 'stack/prometheus/targets/qwen-instruct.yml'))).toEqual([
      { targets: ['127.0.0.1:8000'] },
    ]);
  });

  test('repeats the Watchdog a little more often than its group, and never cuts alerts off', () => {
    const { route, receivers } = parse(read(root, 'stack/alertmanager/alertmanager.yml'));
    expect(route.routes[0]).toMatchObject({ group_interval: '1m', repeat_interval: '50s' });
    expect(receivers[0].webhook_configs[0]).toMatchObject({ max_alerts: 0, send_resolved: true });
  });
});

describe('as written for a run', () => {
  test('is valid, with the interval and the tokens in use', () => {
    const file = path.join(root, 'package.json');
    const written = write({
      SCRAPE_INTERVAL: '30s',
      METRICS_TOKEN: 'canary-metrics',
      NOTIFIER_TOKEN_FILE: file,
    });
    expect(check(written)).toContain('SUCCESS');
    const prometheus = parse(read(written.prometheusFile));
    expect(prometheus.global).toEqual({ scrape_interval: '30s', evaluation_interval: '30s' });
    const [chat, notifier, ...others] = prometheus.scrape_configs;
    const tokenFile = chat.authorization.credentials_file;
    expect(read(tokenFile)).toBe('canary-metrics');
    expect(statSync(tokenFile).mode.toString(8)).toBe('100600');
    expect(notifier.authorization.credentials_file).toBe(tokenFile);
    expect(JSON.stringify(others)).not.toContain('authorization');
    expect(read(written.prometheusFile)).not.toContain('canary-metrics');
    const { receivers } = parse(read(written.alertmanagerFile));
    expect(receivers[0].webhook_configs[0].http_config.authorization).toEqual({
      credentials_file: file,
    });
  });

  test('follows ports that are moved, also onto another default', () => {
    const written = write({ CHAT_PORT: '9090', PROMETHEUS_PORT: '8000', NOTIFIER_PORT: '18060' });
    expect(check(written)).toContain('SUCCESS');
    const folder = path.dirname(written.prometheusFile);
    expect(read(folder, 'targets/qwen-instruct.yml')).toContain("'127.0.0.1:9090'");
    expect(read(folder, 'targets/prometheus.yml')).toContain("'127.0.0.1:8000'");
    expect(read(written.alertmanagerFile)).toContain('http://127.0.0.1:18060/alerts/default');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:18060/runbooks/');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:8000/graph');
  });

  test("leaves the rules' own tests out", () => {
    expect(check(write({}))).toContain(`${ruleFiles.length} rule files found`);
  });
});
