/**
 * Writes the configuration that Prometheus and Alertmanager run with: the committed files, which are valid for the
 * default ports, with the addresses, the interval and the tokens in use put in. Used by `make up` and by tests.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { jobs } from '../otel/names.ts';
import { addEmail } from './alertmanager/email.ts';
import { syncFolder, type Files } from './folder.ts';
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
  const folder = (name: string): string => join(settings.runDir, name);
  syncFolder(folder('prometheus'), prometheusFiles(settings), 'owner');
  syncFolder(folder('alertmanager'), alertmanagerFiles(settings), 'owner');
  return {
    prometheusFile: join(folder('prometheus'), 'prometheus.yml'),
    alertmanagerFile: join(folder('alertmanager'), 'alertmanager.yml'),
  };
}

export function prometheusFiles(settings: Settable): Files {
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
    files.set(join('rules', file), withAddresses(rules, settings));
  }

  const committed = readFileSync(join(root, 'stack/prometheus/prometheus.yml'), 'utf8');
  const prometheus = parseDocument(committed);
  prometheus.setIn(['global', 'scrape_interval'], scrapeInterval);
  prometheus.setIn(['global', 'evaluation_interval'], scrapeInterval);
  if (metricsToken !== undefined) {
    const path = secretFile(metricsToken, settings, 'prometheus', 'metrics-token', files);
    // Ours alone ask for it: the first two jobs are the chat service and the notifier.
    for (const job of [0, 1]) {
      prometheus.setIn(['scrape_configs', job, 'authorization'], { credentials_file: path });
    }
  }
  return files.set('prometheus.yml', String(prometheus));
}

export function alertmanagerFiles(settings: Settable): Files {
  const { root, notifierToken, mail } = settings;
  const files: Files = new Map();
  const keep = (secret: Secret, name: string): string =>
    secretFile(secret, settings, 'alertmanager', name, files);
  const committed = readFileSync(join(root, 'stack/alertmanager/alertmanager.yml'), 'utf8');
  const alertmanager = parseDocument(withPeers(committed, settings));
  if (notifierToken !== undefined) {
    alertmanager.setIn(['receivers', 0, 'webhook_configs', 0, 'http_config'], {
      authorization: { credentials_file: keep(notifierToken, 'notifier-token') },
    });
  }
  if (mail !== undefined) addEmail(alertmanager, mail, (value) => keep({ value }, 'smtp-password'));
  return files.set('alertmanager.yml', String(alertmanager));
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

/**
 * The path at which the program finds the secret. A container cannot see a file of the machine's: it gets a copy, under
 * /etc as the rest of its folder.
 */
function secretFile(
  secret: Secret,
  { mode, runDir }: Settable,
  service: ServiceName,
  name: string,
  files: Files,
): string {
  if (mode !== 'docker' && 'file' in secret) return secret.file;
  files.set(name, readSecret(secret));
  return join(mode === 'docker' ? '/etc' : runDir, service, name);
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
