/** The configuration files, as committed and as `make up` writes them, checked by promtool and amtool. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { writeConfiguration, type Configuration } from '../../../stack/configuration.ts';
import { ensureTools, type Tools } from '../../../stack/native/tools/tools.ts';
import { readSettings } from '../../../stack/settings.ts';
import { root } from '../../support/stack/sandbox.ts';

const ruleFiles = readdirSync(path.join(root, 'alerting/generated')).filter((name) =>
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
  test('is valid without changes, with the alert rules', () => {
    const folder = scratch();
    cpSync(path.join(root, 'stack/prometheus'), folder, { recursive: true });
    cpSync(path.join(root, 'alerting/generated'), path.join(folder, 'rules'), { recursive: true });
    const alertmanagerFile = path.join(folder, 'alertmanager.yml');
    copyFileSync(path.join(root, 'stack/alertmanager/alertmanager.yml'), alertmanagerFile);
    const output = check({ prometheusFile: path.join(folder, 'prometheus.yml'), alertmanagerFile });
    expect(output).toContain(`${ruleFiles.length} rule files found`);
    expect(output).toContain('3 inhibit rules');
  });

  test('the files and the documented blocks for a fleet are valid', () => {
    const folder = scratch();
    cpSync(path.join(root, 'stack/fleet'), folder, { recursive: true });
    cpSync(path.join(root, 'alerting/generated'), path.join(folder, 'rules'), { recursive: true });
    writeFileSync(path.join(folder, 'remote-write-token'), 'token');
    const page = read(root, 'stack/scale.md');
    const blocks = [...page.matchAll(/```yaml (prometheus|alertmanager)\n(.*?)```/gs)];
    const files = blocks.map(([, program, text = ''], at) => {
      const file = path.join(folder, `${at}.yml`);
      writeFileSync(file, text);
      return { program, file };
    });
    expect(files.length).toBeGreaterThan(3);
    for (const { program, file } of [
      { program: 'prometheus', file: path.join(folder, 'prometheus.yml') },
      ...files,
    ]) {
      const [tool, ...args] =
        program === 'prometheus'
          ? [tools.promtool, 'check', 'config', file]
          : [tools.amtool, 'check-config', file];
      expect(execFileSync(tool, args, { encoding: 'utf8', stdio: 'pipe' })).toContain('SUCCESS');
    }
  });

  test('scrapes the chat service as job qwen-instruct, which the articles query', () => {
    const { scrape_configs: jobs } = parse(read(root, 'stack/prometheus/prometheus.yml'));
    expect(jobs[0]).toMatchObject({ job_name: 'qwen-instruct', metrics_path: '/metrics' });
    expect(parse(read(root, 'stack/prometheus/targets/qwen-instruct.yml'))).toEqual([
      { targets: ['127.0.0.1:8000'] },
    ]);
  });

  test('repeats the Watchdog more often than its group interval, and sets no limit on alerts', () => {
    const { route, receivers } = parse(read(root, 'stack/alertmanager/alertmanager.yml'));
    expect(route.routes[0]).toMatchObject({ group_interval: '30s', repeat_interval: '50s' });
    expect(receivers[0].webhook_configs[0]).toMatchObject({ max_alerts: 0, send_resolved: true });
  });
});

describe('as written for a run', () => {
  test('is valid and has the interval and the tokens in use', () => {
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

  test('has changed ports, even if one is the default of another service', () => {
    const written = write({ CHAT_PORT: '9090', PROMETHEUS_PORT: '8000', NOTIFIER_PORT: '18060' });
    expect(check(written)).toContain('SUCCESS');
    const folder = path.dirname(written.prometheusFile);
    expect(read(folder, 'targets/qwen-instruct.yml')).toContain('127.0.0.1:9090');
    expect(read(folder, 'targets/prometheus.yml')).toContain('127.0.0.1:8000');
    expect(read(written.alertmanagerFile)).toContain('http://127.0.0.1:18060/alerts/default');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:18060/runbooks/');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:8000/graph');
  });

  test('scrapes every replica', () => {
    const written = write({ REPLICAS: '3', CHAT_PORT: '7000' });
    expect(check(written)).toContain('SUCCESS');
    const file = read(path.dirname(written.prometheusFile), 'targets/qwen-instruct.yml');
    expect(parse(file)).toEqual([
      { targets: ['127.0.0.1:7000', '127.0.0.1:7001', '127.0.0.1:7002'] },
    ]);
  });

  test('in front of another server has every rule but those that read an engine of ours', () => {
    const written = write({ BACKEND_URL: 'http://127.0.0.1:8080' });
    expect(check(written)).toContain('SUCCESS');
    const namesIn = (folder: string): string[] =>
      ruleFiles.flatMap((file) => {
        const { groups } = parse(read(folder, file)) as { groups: { rules: object[] }[] };
        return groups.flatMap(({ rules }) => rules.flatMap((rule) => Object.values(rule)[0]));
      });
    const all = namesIn(path.join(root, 'alerting/generated'));
    const kept = namesIn(path.join(path.dirname(written.prometheusFile), 'rules'));
    const left = all.filter((name) => !kept.includes(name));
    expect(left).toEqual([
      'AnswersDegraded',
      'TokenThroughputCollapse',
      'QueueBacklog',
      'ContextSaturated',
    ]);
    expect(kept).toEqual(all.filter((name) => !left.includes(name)));
  });

  test('does not load the tests of the rules', () => {
    expect(check(write({}))).toContain(`${ruleFiles.length} rule files found`);
  });
});

describe('as written for containers', () => {
  const docker = {
    MODE: 'docker',
    CHAT_PORT: '7000',
    PROMETHEUS_PORT: '7090',
    NOTIFIER_PORT: '7060',
  };

  test('has service names for scraping and published ports for links', () => {
    const written = write(docker);
    const folder = path.dirname(written.prometheusFile);
    const targets = readdirSync(path.join(folder, 'targets')).map((file) => {
      return parse(read(folder, 'targets', file))[0].targets[0];
    });
    expect(targets.toSorted()).toEqual([
      'alertmanager:9093',
      'chat:8000',
      'notifier:8060',
      'prometheus:9090',
    ]);
    expect(read(written.alertmanagerFile)).toContain('http://notifier:8060/alerts/default');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:7060/runbooks/');
    expect(read(folder, 'rules/seed-alerts.yml')).toContain('http://127.0.0.1:7090/graph');
  });

  test('scrapes every replica by the name of its container', () => {
    const { prometheusFile } = write({ ...docker, REPLICAS: '3', COMPOSE_PROJECT_NAME: 'three' });
    expect(parse(read(path.dirname(prometheusFile), 'targets/qwen-instruct.yml'))).toEqual([
      { targets: ['three-chat-1:8000', 'three-chat-2:8000', 'three-chat-3:8000'] },
    ]);
  });

  test('copies secrets and names them by their path in the container', () => {
    const token = path.join(scratch(), 'token');
    writeFileSync(token, 'canary-notifier\n');
    const written = write({
      ...docker,
      METRICS_TOKEN: 'canary-metrics',
      NOTIFIER_TOKEN_FILE: token,
    });
    const { scrape_configs: jobs } = parse(read(written.prometheusFile));
    expect(jobs[0].authorization.credentials_file).toBe('/etc/prometheus/metrics-token');
    expect(read(path.dirname(written.prometheusFile), 'metrics-token')).toBe('canary-metrics');
    expect(read(written.alertmanagerFile)).toContain('/etc/alertmanager/notifier-token');
    expect(read(path.dirname(written.alertmanagerFile), 'notifier-token')).toBe('canary-notifier');
  });

  test('names the setting and the file when the file of a secret is missing', () => {
    expect(() => write({ ...docker, METRICS_TOKEN_FILE: '/nowhere' })).toThrow(
      'METRICS_TOKEN: expected a readable file, got ENOENT for /nowhere',
    );
  });
});
