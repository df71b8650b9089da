/**
 * What the containers read, one folder for each service: configuration, settings and secrets. Used by `make up` before
 * it starts `stack/compose.yaml`, which mounts the folders.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { alertmanagerFiles, prometheusFiles, readSecret, withAddresses } from '../configuration.ts';
import { readFolder, syncFolder, type Files } from '../folder.ts';
import type { ServiceName, Settings } from '../settings.ts';

/** Whose settings are whose; what `compose.yaml` itself sets is set there for good. */
const settingsOf = {
  chat: /^(CHAT|METRICS|OTEL|LOG)_|^NOTIFIER_TOKEN(_FILE)?$/,
  notifier: /^(NOTIFIER|METRICS|DINGTALK|WECOM|FEISHU|SMTP|MAIL|OTEL|LOG)_/,
} as const;
/** Those that hold a secret, or name a file that does. */
const secretNames = /_(KEYS|TOKEN|SECRET|URL)(_FILE)?$|^NOTIFIER_CONFIG$/;
const setByCompose = new Set(['CHAT_MODELS_DIR', 'NOTIFIER_URL', 'NOTIFIER_DB']);

/**
 * Writes everything below the run folder, and tells what Compose is to put into `compose.yaml`. The run folder is its
 * owner's alone; within it everything may be read, since each image has a user of its own.
 * @throws StackError when a secret's file cannot be read
 */
export function writeDockerFiles(
  settings: Settings,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const { root, runDir } = settings;
  mkdirSync(runDir, { recursive: true });
  chmodSync(runDir, 0o700);
  const secrets = { chat: new Map<string, string>(), notifier: new Map<string, string>() };
  for (const service of ['chat', 'notifier'] as const) {
    const given = settingsFor(service, settings, env, secrets[service]);
    const lines = Object.entries(given).map(([name, value]) => `${name}=${quote(value)}\n`);
    writeFileSync(join(runDir, `${service}.env`), lines.join(''));
  }
  const folders: Record<ServiceName, Files> = {
    ...secrets,
    alertmanager: alertmanagerFiles(settings),
    prometheus: prometheusFiles(settings),
    grafana: grafanaFiles(settings),
    jaeger: readFolder(join(root, 'stack/jaeger')),
  };
  return Object.fromEntries(
    Object.entries(folders).map(([service, files]) => {
      syncFolder(join(runDir, service), files, 'all');
      return [`${service.toUpperCase()}_CONFIGURATION`, hashOf(files)];
    }),
  );
}

export interface Password {
  value: string;
  file: string;
  /** Made just now, so nobody has seen it. */
  created: boolean;
}

/** Grafana's first: made once, and kept in a file as its database is in a volume. */
export function grafanaPassword({ dataDir }: Pick<Settings, 'dataDir'>): Password {
  const file = join(dataDir, 'grafana-admin-password');
  if (existsSync(file)) return { value: readSecret({ file }), file, created: false };
  const value = randomBytes(18).toString('base64url');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, value, { mode: 0o600 });
  return { value, file, created: true };
}

function settingsFor(
  service: keyof typeof settingsOf,
  settings: Settings,
  env: NodeJS.ProcessEnv,
  secrets: Files,
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!settingsOf[service].test(name) || setByCompose.has(name) || !value) continue;
    if (secretNames.test(name)) {
      const isFile = name.endsWith('_FILE') || name === 'NOTIFIER_CONFIG';
      const plain = name.replace(/_FILE$/, '');
      const from = isFile ? { file: resolve(settings.root, value) } : { value };
      secrets.set(plain, readSecret(from));
      given[name === 'NOTIFIER_CONFIG' ? name : `${plain}_FILE`] = `/run/secrets/${plain}`;
    } else {
      given[name] = value;
    }
  }
  const hasZone = given['NOTIFIER_TIME_ZONE'] !== undefined;
  if (service === 'notifier' && !hasZone) {
    // The clock of the machine that it runs on; a container has UTC.
    given['NOTIFIER_TIME_ZONE'] = env['TZ'] || new Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
  if (settings.profile === 'full') {
    if (service === 'chat') {
      given['JAEGER_URL'] = settings.addresses.jaeger.url;
      given['GRAFANA_URL'] = settings.addresses.grafana.url;
    }
    const sendsElsewhere = Object.keys(given).some((name) =>
      /^OTEL_EXPORTER_OTLP_(TRACES_)?ENDPOINT$/.test(name),
    );
    if (!sendsElsewhere) given['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://jaeger:4318';
  }
  return given;
}

/** As Compose reads a value back: single quotes keep everything but themselves. */
function quote(value: string): string {
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replaceAll(/["\\$]/g, String.raw`\$&`)}"`;
}

function grafanaFiles(settings: Settings): Files {
  const { root } = settings;
  const dashboards = [...readFolder(join(root, 'stack/generated/dashboards'), 'dashboards')];
  return new Map([
    ...readFolder(join(root, 'stack/grafana/provisioning'), 'provisioning'),
    ...dashboards.map(([name, text]) => [name, withAddresses(text, settings)] as const),
    ['grafana.ini', readFileSync(join(root, 'stack/grafana/grafana.ini'), 'utf8')],
    ['admin-password', grafanaPassword(settings).value],
  ]);
}

/**
 * Targets apart: Prometheus reads them again by itself. Created anew it could not mark the series of those that are
 * gone as such, and panels would count them for five minutes more.
 */
function hashOf(files: Files): string {
  const fixed = [...files].filter(([name]) => !name.startsWith('targets/'));
  return createHash('sha256').update(JSON.stringify(fixed)).digest('hex').slice(0, 12);
}
