/**
 * Writes the configuration that Prometheus and Alertmanager run with: the committed files, which are valid for the
 * default ports, with the addresses, the interval and the tokens in use put in. Used by `make up` and by tests.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { addEmail } from './alertmanager/email.ts';
import { messages, StackError } from './messages.ts';
import type { Secret, ServiceName, Settings } from './settings.ts';

/** The ports that stand in the committed files, and on which containers listen. */
const committedPorts: Record<ServiceName, number> = {
  chat: 8000,
  prometheus: 9090,
  alertmanager: 9093,
  notifier: 8060,
  grafana: 3000,
  jaeger: 16_686,
};
const names = Object.keys(committedPorts) as ServiceName[];

export interface Configuration {
  /** Absolute paths of the files to start with. */
  prometheusFile: string;
  alertmanagerFile: string;
}

type Settable = Pick<
  Settings,
  | 'mode'
  | 'project'
  | 'root'
  | 'runDir'
  | 'rulesDir'
  | 'addresses'
  | 'instances'
  | 'scrapeInterval'
  | 'metricsToken'
  | 'notifierToken'
  | 'mail'
>;

/** Writes `prometheus/` and `alertmanager/` in the run folder, in place of what an earlier run wrote. */
export function writeConfiguration(settings: Settable): Configuration {
  return {
    prometheusFile: writePrometheus(settings),
    alertmanagerFile: writeAlertmanager(settings),
  };
}

function writePrometheus(settings: Settable): string {
  const { root, rulesDir, scrapeInterval, metricsToken } = settings;
  const folder = freshFolder(settings.runDir, 'prometheus');
  mkdirSync(join(folder, 'targets'));
  mkdirSync(join(folder, 'rules'));

  const targetsDir = join(root, 'stack/prometheus/targets');
  for (const file of yamlFiles(targetsDir)) {
    const targets = parseDocument(
      withPeers(readFileSync(join(targetsDir, file), 'utf8'), settings),
    );
    if (file === 'qwen-instruct.yml') targets.setIn([0, 'targets'], chatTargets(settings));
    writeFileSync(join(folder, 'targets', file), String(targets));
  }
  for (const file of yamlFiles(rulesDir)) {
    const rules = readFileSync(join(rulesDir, file), 'utf8');
    writeFileSync(join(folder, 'rules', file), withAddresses(rules, settings));
  }

  const committed = readFileSync(join(root, 'stack/prometheus/prometheus.yml'), 'utf8');
  const prometheus = parseDocument(committed);
  prometheus.setIn(['global', 'scrape_interval'], scrapeInterval);
  prometheus.setIn(['global', 'evaluation_interval'], scrapeInterval);
  if (metricsToken !== undefined) {
    const path = secretFile(metricsToken, settings, 'prometheus/metrics-token');
    // Ours alone ask for it: the first two jobs are the chat service and the notifier.
    for (const job of [0, 1]) {
      prometheus.setIn(['scrape_configs', job, 'authorization'], { credentials_file: path });
    }
  }
  const file = join(folder, 'prometheus.yml');
  writeFileSync(file, String(prometheus));
  return file;
}

function writeAlertmanager(settings: Settable): string {
  const { root, notifierToken, mail } = settings;
  const folder = freshFolder(settings.runDir, 'alertmanager');
  const committed = readFileSync(join(root, 'stack/alertmanager/alertmanager.yml'), 'utf8');
  const alertmanager = parseDocument(withPeers(committed, settings));
  if (notifierToken !== undefined) {
    const path = secretFile(notifierToken, settings, 'alertmanager/notifier-token');
    alertmanager.setIn(['receivers', 0, 'webhook_configs', 0, 'http_config'], {
      authorization: { credentials_file: path },
    });
  }
  if (mail !== undefined) {
    addEmail(alertmanager, mail, (value) =>
      secretFile({ value }, settings, 'alertmanager/smtp-password'),
    );
  }
  const file = join(folder, 'alertmanager.yml');
  writeFileSync(file, String(alertmanager));
  return file;
}

/** What a person opens. All in one pass, so that a port moved onto another's default is not moved twice. */
export function withAddresses(text: string, { addresses }: Pick<Settings, 'addresses'>): string {
  return replaceAddresses(text, (name) => addresses[name].url.replace('http://', ''));
}

/** Where the services reach one another: containers by their names. */
function withPeers(text: string, settings: Settable): string {
  if (settings.mode !== 'docker') return withAddresses(text, settings);
  return replaceAddresses(text, (name) => `${name}:${committedPorts[name]}`);
}

function replaceAddresses(text: string, addressOf: (name: ServiceName) => string): string {
  const current = new Map(
    names.map((name) => [`127.0.0.1:${committedPorts[name]}`, addressOf(name)]),
  );
  return text.replaceAll(/127\.0\.0\.1:\d+/g, (found) => current.get(found) ?? found);
}

function chatTargets({ mode, project, instances }: Settable): string[] {
  const chats = instances.filter(({ service }) => service === 'chat');
  if (mode !== 'docker') return chats.map(({ address }) => address.url.replace('http://', ''));
  if (chats.length === 1) return [`chat:${committedPorts.chat}`];
  return chats.map((_, at) => `${project}-chat-${at + 1}:${committedPorts.chat}`);
}

function yamlFiles(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith('.yml'));
}

/** Emptied and not made anew: a container that runs sees this very folder. */
export function freshFolder(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true });
  return folder;
}

/**
 * The path at which the program finds the secret. A container cannot see a file of the machine's: it gets a copy, under
 * /etc as all of its folder.
 */
function secretFile(secret: Secret, { mode, runDir }: Settable, path: string): string {
  if (mode !== 'docker' && 'file' in secret) return secret.file;
  writeFileSync(join(runDir, path), readSecret(secret), { mode: 0o600 });
  return mode === 'docker' ? join('/etc', path) : join(runDir, path);
}

/** @throws StackError that names the file and never its content. */
export function readSecret(secret: Secret): string {
  if ('value' in secret) return secret.value;
  try {
    return readFileSync(secret.file, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `a secret: expected a readable file, got ${code} for ${secret.file}`;
    throw new StackError(messages.settingsWrong([problem]), { cause: error });
  }
}
