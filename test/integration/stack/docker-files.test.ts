/** The files that `make up` writes for the containers: settings and secrets of each service. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { kinds, variablesOf } from '../../../alerting/notifier/channels/channels.ts';
import { writeDockerFiles } from '../../../stack/docker/files.ts';
import { readSettings } from '../../../stack/settings.ts';
import { root } from '../../support/stack/sandbox.ts';

const withCompose = spawnSync('docker', ['compose', 'version']).status === 0;

const channelVariables = new Set(variablesOf(kinds));

interface Written {
  runDir: string;
  dataDir: string;
  /** The variables for compose.yaml. */
  variables: Record<string, string>;
  read: (...parts: string[]) => string;
}

function write(env: Record<string, string> = {}, folder = scratch()): Written {
  const runDir = path.join(folder, 'run');
  const dataDir = path.join(folder, 'data');
  const given = { MODE: 'docker', ...env };
  const settings = readSettings({
    LLAMASCOPE_RUN_DIR: runDir,
    LLAMASCOPE_DATA_DIR: dataDir,
    ...given,
  });
  const variables = writeDockerFiles(settings, given, { channelVariables });
  const read = (...parts: string[]): string => readFileSync(path.join(runDir, ...parts), 'utf8');
  return { runDir, dataDir, variables, read };
}

function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope docker-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test('secrets go only into files of their service', () => {
  const file = path.join(scratch(), 'secret');
  writeFileSync(file, 'canary-file\n');
  const { runDir, read } = write({
    CHAT_API_KEYS: 'canary-key',
    DINGTALK_URL: 'https://canary-robot',
    DINGTALK_SECRET_FILE: file,
    SMTP_URL: 'smtp://canary@mail',
    HF_TOKEN: 'canary-hub',
  });
  expect(read('chat', 'CHAT_API_KEYS')).toBe('canary-key');
  expect(read('chat.env')).toContain("CHAT_API_KEYS_FILE='/run/secrets/CHAT_API_KEYS'");
  expect(readdirSync(path.join(runDir, 'chat'))).toEqual(['CHAT_API_KEYS']);
  expect(read('notifier', 'DINGTALK_SECRET')).toBe('canary-file');
  expect(read('notifier.env')).toContain("DINGTALK_SECRET_FILE='/run/secrets/DINGTALK_SECRET'");
  expect(read('chat.env') + read('notifier.env')).not.toContain('canary');
});

test('only the owner can enter the folder, and every container can read the files in it', () => {
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  const { runDir, dataDir } = write({ METRICS_TOKEN: 'canary' });
  expect(modeOf(runDir)).toBe('700');
  expect(modeOf(path.join(runDir, 'prometheus/targets'))).toBe('755');
  expect(modeOf(path.join(runDir, 'prometheus/metrics-token'))).toBe('644');
  expect(modeOf(path.join(dataDir, 'grafana-admin-password'))).toBe('600');
});

test('a model file outside the models folder is mounted by itself', () => {
  const file = path.join(scratch(), 'any model.gguf');
  writeFileSync(file, 'GGUF');
  const { variables, read } = write({ CHAT_MODEL: file });
  expect(variables).toMatchObject({ CHAT_MODEL_FILE: file, CHAT_MODEL_NAME: 'any model.gguf' });
  expect(read('chat.env')).toContain("CHAT_MODEL='/app/model/any model.gguf'");
  expect(write({ CHAT_MODEL: 'mine.gguf' }).read('chat.env')).toContain("CHAT_MODEL='mine.gguf'");
  expect(write({ CHAT_MODEL: 'demo' }).variables).not.toHaveProperty('CHAT_MODEL_FILE');
});

test('the chat container has 5 s longer to stop than running answers to end', () => {
  expect(write().variables).toMatchObject({ CHAT_STOP_SECONDS: '20' });
  const { variables } = write({ CHAT_GRACE_SECONDS: '60' });
  expect(variables).toMatchObject({ CHAT_STOP_SECONDS: '65' });
});

test('Grafana gets a generated password, the same on every start', () => {
  const folder = scratch();
  const first = write({}, folder).read('grafana/admin-password');
  expect(first).toMatch(/^[\w-]{24}$/);
  expect(write({}, folder).read('grafana/admin-password')).toBe(first);
  expect(write({}).read('grafana/admin-password')).not.toBe(first);
});

test('dashboards link to the published ports', () => {
  const { read } = write({ NOTIFIER_PORT: '7060', JAEGER_PORT: '7686' });
  const files = readdirSync(path.join(root, 'stack/generated/dashboards/en'));
  for (const file of files.filter((name) => name.endsWith('.json'))) {
    const dashboard = read('grafana/dashboards/en', file);
    expect(dashboard).not.toMatch(/127\.0\.0\.1:(8060|16686)/);
    expect(dashboard).toContain('http://127.0.0.1:7686');
  }
});

test('traces go to Jaeger in profile full, unless another endpoint is set', () => {
  const variable = 'OTEL_EXPORTER_OTLP_ENDPOINT';
  expect(write().read('chat.env')).toContain(`${variable}='http://jaeger:4318'`);
  expect(write({ PROFILE: 'minimal' }).read('chat.env')).not.toContain(variable);
  const elsewhere = write({ [variable]: 'http://collector:4318' }).read('notifier.env');
  expect(elsewhere).toContain(`${variable}='http://collector:4318'`);
});

test('notifications use the time zone of the machine by default', () => {
  expect(write({ TZ: 'Asia/Shanghai' }).read('notifier.env')).toContain(
    "NOTIFIER_TIME_ZONE='Asia/Shanghai'",
  );
});

test('only services with a changed configuration get a new hash', () => {
  const folder = scratch();
  const before = write({}, folder).variables;
  expect(write({}, folder).variables).toEqual(before);
  const after = write({ SCRAPE_INTERVAL: '30s', CHAT_API_KEYS: 'key' }, folder).variables;
  const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
  expect(changed.toSorted()).toEqual(['CHAT_CONFIGURATION', 'PROMETHEUS_CONFIGURATION']);
});

test('changed replicas do not recreate Prometheus, which reloads its targets', () => {
  const folder = scratch();
  const before = write({}, folder).variables;
  const { variables, read } = write({ REPLICAS: '3' }, folder);
  expect(variables).toEqual(before);
  expect(read('prometheus/targets/qwen-instruct.yml')).toContain('llamascope-chat-3:8000');
});

test('unchanged files stay untouched, so that Prometheus keeps its targets', () => {
  const folder = scratch();
  const { runDir } = write({}, folder);
  const identities = (): number[] =>
    ['targets', 'targets/qwen-instruct.yml', 'rules/slo.yml'].map(
      (name) => statSync(path.join(runDir, 'prometheus', name)).ino,
    );
  const before = identities();
  writeFileSync(path.join(runDir, 'prometheus/rules/old.yml'), '');
  write({}, folder);
  expect(identities()).toEqual(before);
  expect(readdirSync(path.join(runDir, 'prometheus/rules'))).not.toContain('old.yml');
});

test.skipIf(!withCompose)('Compose reads every value unchanged', () => {
  const values = {
    CHAT_MODEL: 'demo',
    OTEL_RESOURCE_ATTRIBUTES: String.raw`team=it's "$HOME" \ 100% #1 $$ ` + '`x`',
    LOG_FORMAT: '$HOME "a" #b',
  };
  const { runDir, variables } = write(values);
  const file = path.join(root, 'stack/compose.yaml');
  const args = ['compose', '--file', file, '--profile', 'full', 'config', '--format', 'json'];
  const env = { ...process.env, ...variables, LLAMASCOPE_RUN_DIR: runDir };
  const { stdout } = spawnSync('docker', args, { env, encoding: 'utf8' });
  const { services } = JSON.parse(stdout) as {
    services: Record<string, { environment: Record<string, string> }>;
  };
  // Compose writes a literal $ as $$, so that its output can be read again.
  const read = services['chat']!.environment;
  for (const [name, value] of Object.entries(values)) {
    expect(read[name]?.replaceAll('$$', '$')).toBe(value);
  }
});
