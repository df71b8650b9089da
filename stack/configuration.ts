/**
 * Writes the configuration of Prometheus and Alertmanager: the committed files, which are valid for the default ports, with the
 * addresses, the interval and the tokens in use. Used by `make up` in both modes and by tests.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { jobs, needsEngine } from '../otel/names.ts';
import { addEmail } from './alertmanager/email.ts';
import { syncFolder, type Files } from './folder.ts';
import type { SecretSource } from '../src/kit/settings.ts';
import { defaultPorts, readSecret, type ServiceName, type Settings } from './settings.ts';

export interface Configuration {
  /** Absolute paths. */
  prometheusFile: string;
  alertmanagerFile: string;
  /** Undefined without NGINX_PORT. */
  nginxFile?: string | undefined;
}

/** Writes `prometheus/`, `alertmanager/` and `nginx/` in the run folder and removes what an earlier run wrote there. */
export function writeConfiguration(settings: Settings): Configuration {
  const folder = (name: string): string => join(settings.runDir, name);
  syncFolder(folder('prometheus'), prometheusFiles(settings), 'owner');
  syncFolder(folder('alertmanager'), alertmanagerFiles(settings), 'owner');
  syncFolder(folder('nginx'), nginxFiles(settings), 'owner');
  return {
    prometheusFile: join(folder('prometheus'), 'prometheus.yml'),
    alertmanagerFile: join(folder('alertmanager'), 'alertmanager.yml'),
    nginxFile: settings.nginx && join(folder('nginx'), 'nginx.conf'),
  };
}

export function prometheusFiles(settings: Settings): Files {
  const { root, rulesDir, scrapeInterval, metricsToken } = settings;
  const files: Files = new Map();

  const targetsDir = join(root, 'stack/prometheus/targets');
  for (const file of yamlFiles(targetsDir)) {
    const targets = parseDocument(
      withPeers(readFileSync(join(targetsDir, file), 'utf8'), settings),
    );
    if (file === `${jobs.chat}.yml`) targets.setIn([0, 'targets'], chatTargets(settings));
    files.set(join('targets', file), String(targets));
  }
  for (const file of yamlFiles(rulesDir)) {
    const rules = readFileSync(join(rulesDir, file), 'utf8');
    const kept = settings.backendUrl === undefined ? rules : withoutEngineRules(rules);
    files.set(join('rules', file), withAddresses(kept, settings));
  }

  const committed = readFileSync(join(root, 'stack/prometheus/prometheus.yml'), 'utf8');
  const prometheus = parseDocument(committed);
  prometheus.setIn(['global', 'scrape_interval'], scrapeInterval);
  prometheus.setIn(['global', 'evaluation_interval'], scrapeInterval);
  if (metricsToken !== undefined) {
    const path = secretFile('METRICS_TOKEN', metricsToken, settings, 'prometheus', files);
    // The first two jobs, the chat service and the notifier, require the token.
    for (const job of [0, 1]) {
      prometheus.setIn(['scrape_configs', job, 'authorization'], { credentials_file: path });
    }
  }
  return files.set('prometheus.yml', String(prometheus));
}

/** The rules whose metrics exist in front of another server. */
function withoutEngineRules(text: string): string {
  const document = parseDocument(text);
  const groups = document.toJS() as { groups: { rules: { expr: string }[] }[] };
  for (const [at, { rules }] of groups.groups.entries()) {
    for (const [index, { expr }] of [...rules.entries()].toReversed()) {
      if (needsEngine(expr)) document.deleteIn(['groups', at, 'rules', index]);
    }
  }
  return String(document);
}

export function alertmanagerFiles(settings: Settings): Files {
  const { root, notifierToken, mail } = settings;
  const files: Files = new Map();
  const keep = (name: string, secret: SecretSource): string =>
    secretFile(name, secret, settings, 'alertmanager', files);
  const committed = readFileSync(join(root, 'stack/alertmanager/alertmanager.yml'), 'utf8');
  const alertmanager = parseDocument(withPeers(committed, settings));
  if (notifierToken !== undefined) {
    alertmanager.setIn(['receivers', 0, 'webhook_configs', 0, 'http_config'], {
      authorization: { credentials_file: keep('NOTIFIER_TOKEN', notifierToken) },
    });
  }
  if (mail !== undefined) addEmail(alertmanager, mail, (value) => keep('SMTP_PASSWORD', { value }));
  return files.set('alertmanager.yml', String(alertmanager));
}

/** Empty without NGINX_PORT. */
export function nginxFiles(settings: Settings): Files {
  const { root, nginx } = settings;
  if (nginx === undefined) return new Map();
  const committed = readFileSync(join(root, 'stack/nginx/nginx.conf'), 'utf8');
  const { host, port } = nginx;
  const text = committed
    .replace(/listen .*;/, `listen ${host.includes(':') ? `[${host}]` : host}:${port};`)
    .replaceAll(/^( +server )127\.0\.0\.1:\d+(.*)$/gm, (_, before: string, after: string) =>
      chatTargets(settings)
        .map((target) => `${before}${target}${after}`)
        .join('\n'),
    );
  return new Map([['nginx.conf', text]]);
}

/** Replaces the default addresses in `text` by the addresses that people open. */
export function withAddresses(text: string, { addresses }: Pick<Settings, 'addresses'>): string {
  return replaceAddresses(text, (name) => addresses[name].url.replace('http://', ''));
}

/** Replaces the default addresses by the addresses that the services use; containers reach one another by name. */
function withPeers(text: string, settings: Settings): string {
  if (settings.mode !== 'docker') return withAddresses(text, settings);
  return replaceAddresses(text, (name) => `${name}:${defaultPorts[name]}`);
}

/** Replaces all addresses in one pass. Otherwise a new port that equals another default port would be replaced again. */
function replaceAddresses(text: string, addressOf: (name: ServiceName) => string): string {
  const names = Object.keys(defaultPorts) as ServiceName[];
  const current = new Map(
    names.map((name) => [`127.0.0.1:${defaultPorts[name]}`, addressOf(name)]),
  );
  return text.replaceAll(/127\.0\.0\.1:\d+/g, (found) => current.get(found) ?? found);
}

function chatTargets({ mode, project, instances }: Settings): string[] {
  const chats = instances.filter(({ service }) => service === 'chat');
  if (mode !== 'docker') return chats.map(({ address }) => address.url.replace('http://', ''));
  if (chats.length === 1) return [`chat:${defaultPorts.chat}`];
  return chats.map((_, at) => `${project}-chat-${at + 1}:${defaultPorts.chat}`);
}

function yamlFiles(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith('.yml'));
}

/** The path by which the service reads the secret: the file itself, or in a container a copy below /etc. */
function secretFile(
  setting: string,
  secret: SecretSource,
  { mode, runDir }: Settings,
  service: ServiceName,
  files: Files,
): string {
  if (mode !== 'docker' && 'file' in secret) return secret.file;
  const name = setting.toLowerCase().replaceAll('_', '-');
  files.set(name, readSecret(setting, secret));
  return join(mode === 'docker' ? '/etc' : runDir, service, name);
}
