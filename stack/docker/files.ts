/**
 * Writes the folders that `stack/compose.yaml` mounts, one for each service: configuration, settings and secrets. Used by
 * `make up` in docker mode.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { readChannelVariables } from '../channel-variables.ts';
import { alertmanagerFiles, prometheusFiles, withAddresses } from '../configuration.ts';
import { languageOf } from '../../src/kit/language.ts';
import { readFolder, syncFolder, type Files } from '../folder.ts';
import { generatedFiles } from '../grafana.ts';
import { findNamedModel } from '../model.ts';
import { readSecret, type ServiceName, type Settings } from '../settings.ts';

/** The variables that each service gets, in addition to the variables of the notifier's channels. */
const settingsOf = {
  chat: /^(BACKEND|CHAT|METRICS|OTEL|LOG)_|^NOTIFIER_TOKEN(_FILE)?$/,
  notifier: /^(NOTIFIER|METRICS|OTEL|LOG)_|^(PROMETHEUS|JAEGER)_PUBLIC_URL$/,
} as const;
/** Variables that contain a secret or the path of a file with a secret, in addition to all variables of the channels. */
const secretNames = /_(KEYS?|TOKEN|SECRET|URL)(_FILE)?$|^NOTIFIER_CONFIG$/;
/** It may not have a user or a password. */
const plainUrl = 'BACKEND_URL';
const setByCompose = new Set(['CHAT_MODELS_DIR', 'NOTIFIER_URL', 'NOTIFIER_DB']);

/**
 * Writes everything below the run folder. Only its owner can enter that folder; all files inside are readable, because each
 * image runs as a different user.
 * @param options `model` identifies the model file, so that Compose recreates the chat service for another one.
 * @returns The variables for `compose.yaml`: a hash of each service's configuration, the time that the chat service has to stop, and
 * the model file that CHAT_MODEL names.
 * @throws StackError when a secret's file cannot be read.
 */
export function writeDockerFiles(
  settings: Settings,
  env: NodeJS.ProcessEnv,
  { channelVariables = readChannelVariables(settings.root), model: modelFile = '' } = {},
): Record<string, string> {
  const { root, runDir } = settings;
  mkdirSync(runDir, { recursive: true });
  chmodSync(runDir, 0o700);
  const secrets = { chat: new Map<string, string>(), notifier: new Map<string, string>() };
  for (const service of ['chat', 'notifier'] as const) {
    const channels = service === 'notifier' ? channelVariables : new Set<string>();
    const given = settingsFor(service, settings, env, channels, secrets[service]);
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
  const hashes = Object.entries(folders).map(([service, files]) => {
    syncFolder(join(runDir, service), files, 'all');
    const more = service === 'chat' ? modelFile : '';
    return [`${service.toUpperCase()}_CONFIGURATION`, hashOf(files, more)] as const;
  });
  const model = findNamedModel(root, env);
  return {
    ...Object.fromEntries(hashes),
    CHAT_STOP_SECONDS: String(Number(env['CHAT_GRACE_SECONDS'] || 15) + 5),
    ...(model && { CHAT_MODEL_FILE: model, CHAT_MODEL_NAME: basename(model) }),
  };
}

export interface Password {
  value: string;
  file: string;
  /** True if this call created the password, so that it must be shown. */
  created: boolean;
}

/** Grafana's initial password: created once and stored in a file, because Grafana's database, in a volume, stores it permanently. */
export function grafanaPassword({ dataDir }: Pick<Settings, 'dataDir'>): Password {
  const file = join(dataDir, 'grafana-admin-password');
  if (existsSync(file)) return { value: readSecret('Grafana', { file }), file, created: false };
  const value = randomBytes(18).toString('base64url');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, value, { mode: 0o600 });
  return { value, file, created: true };
}

function settingsFor(
  service: keyof typeof settingsOf,
  settings: Settings,
  env: NodeJS.ProcessEnv,
  channelVariables: ReadonlySet<string>,
  secrets: Files,
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const isChannel = channelVariables.has(name);
    const isWanted = isChannel || settingsOf[service].test(name);
    if (!isWanted || setByCompose.has(name) || !value) continue;
    if (isChannel || (secretNames.test(name) && name !== plainUrl)) {
      const isFile = name.endsWith('_FILE') || name === 'NOTIFIER_CONFIG';
      const plain = name.replace(/_FILE$/, '');
      const source = isFile ? { file: resolve(settings.root, value) } : { value };
      secrets.set(plain, readSecret(name, source));
      given[name === 'NOTIFIER_CONFIG' ? name : `${plain}_FILE`] = `/run/secrets/${plain}`;
    } else {
      given[name] = value;
    }
  }
  const model = findNamedModel(settings.root, env);
  if (service === 'chat' && model !== undefined) {
    given['CHAT_MODEL'] = `/app/model/${basename(model)}`;
  }
  // The language of the terminal; a container has none.
  given['LLAMASCOPE_LANG'] = languageOf(env);
  const hasZone = given['NOTIFIER_TIME_ZONE'] !== undefined;
  if (service === 'notifier' && !hasZone) {
    // The time zone of the machine; a container has UTC.
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

/** Quotes a value for an `env_file` of Compose, where single quotes keep every character but themselves. */
function quote(value: string): string {
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replaceAll(/["\\$]/g, String.raw`\$&`)}"`;
}

function grafanaFiles(settings: Settings): Files {
  const { root } = settings;
  const committed = [...readFolder(join(root, 'stack/generated/dashboards'), 'dashboards')];
  const dashboards =
    settings.backendUrl === undefined
      ? committed.filter(([name]) => name.endsWith('.json'))
      : generatedFiles({ hasEngine: false });
  return new Map([
    ...readFolder(join(root, 'stack/grafana/provisioning'), 'provisioning'),
    ...[...dashboards].map(([name, text]) => [name, withAddresses(text, settings)] as const),
    ['grafana.ini', readFileSync(join(root, 'stack/grafana/grafana.ini'), 'utf8')],
    ['admin-password', grafanaPassword(settings).value],
  ]);
}

/**
 * Leaves out the scrape targets, which Prometheus reloads itself. If changed targets led to a new container, it could not mark
 * the series of removed targets as stale, and panels would count these series for another 5 minutes.
 */
function hashOf(files: Files, more: string): string {
  const fixed = [...files].filter(([name]) => !name.startsWith('targets/'));
  return createHash('sha256')
    .update(JSON.stringify(fixed) + more)
    .digest('hex')
    .slice(0, 12);
}
