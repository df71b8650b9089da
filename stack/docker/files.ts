/**
 * What the containers read, one folder for each service: configuration, settings and secrets. Used by `make up` before
 * it starts `stack/compose.yaml`, which mounts the folders.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { freshFolder, readSecret, withAddresses, writeConfiguration } from '../configuration.ts';
import { services, viewers, type Settings } from '../settings.ts';

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
  const { runDir, root } = settings;
  mkdirSync(runDir, { recursive: true });
  chmodSync(runDir, 0o700);
  writeConfiguration(settings);
  for (const service of ['chat', 'notifier'] as const) {
    const folder = freshFolder(runDir, service);
    const lines = Object.entries(settingsFor(service, settings, env, folder)).map(
      ([name, value]) => `${name}=${quote(value)}\n`,
    );
    writeFileSync(join(runDir, `${service}.env`), lines.join(''));
  }
  const jaeger = freshFolder(runDir, 'jaeger');
  copyFileSync(join(root, 'stack/jaeger/jaeger.yml'), join(jaeger, 'jaeger.yml'));
  writeGrafana(settings);
  return Object.fromEntries(
    [...services, ...viewers].map((service) => {
      letRead(join(runDir, service));
      return [`${service.toUpperCase()}_CONFIGURATION`, hashOf(join(runDir, service))];
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
  folder: string,
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!settingsOf[service].test(name) || setByCompose.has(name) || !value) continue;
    if (secretNames.test(name)) {
      const isFile = name.endsWith('_FILE') || name === 'NOTIFIER_CONFIG';
      const plain = name.replace(/_FILE$/, '');
      const secret = readSecret(isFile ? { file: resolve(settings.root, value) } : { value });
      writeFileSync(join(folder, plain), secret, { mode: 0o600 });
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

function writeGrafana(settings: Settings): void {
  const { root, runDir } = settings;
  const folder = freshFolder(runDir, 'grafana');
  cpSync(join(root, 'stack/grafana/grafana.ini'), join(folder, 'grafana.ini'));
  cpSync(join(root, 'stack/grafana/provisioning'), join(folder, 'provisioning'), {
    recursive: true,
  });
  cpSync(join(root, 'stack/generated/dashboards'), join(folder, 'dashboards'), { recursive: true });
  for (const file of filesBelow(join(folder, 'dashboards'))) {
    writeFileSync(file, withAddresses(readFileSync(file, 'utf8'), settings));
  }
  writeFileSync(join(folder, 'admin-password'), grafanaPassword(settings).value);
}

/** Whatever the umask and the files' own modes are. */
function letRead(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
}

function hashOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of filesBelow(folder)) hash.update(file).update('\0').update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
