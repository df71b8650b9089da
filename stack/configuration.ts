/**
 * Writes the configuration that Prometheus and Alertmanager run with: the committed files, which are valid for the
 * default ports, with the addresses, the interval and the tokens in use put in. Used by `make up` and by tests.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { addEmail } from './alertmanager/email.ts';
import { services, type Secret, type ServiceName, type Settings } from './settings.ts';

/** The addresses that stand in the committed files. */
const committedAddresses: Record<ServiceName, string> = {
  chat: '127.0.0.1:8000',
  prometheus: '127.0.0.1:9090',
  alertmanager: '127.0.0.1:9093',
  notifier: '127.0.0.1:8060',
};

export interface Configuration {
  /** Absolute paths of the files to start with. */
  prometheusFile: string;
  alertmanagerFile: string;
}

type Settable = Pick<
  Settings,
  | 'root'
  | 'runDir'
  | 'rulesDir'
  | 'addresses'
  | 'scrapeInterval'
  | 'metricsToken'
  | 'notifierToken'
  | 'mail'
>;

/** Writes `prometheus/` and `alertmanager/` in the run folder, in place of what an earlier run wrote. */
export function writeConfiguration(settings: Settable): Configuration {
  const { root, runDir, rulesDir } = settings;
  const readCommitted = (...path: string[]): string =>
    withAddresses(readFileSync(join(...path), 'utf8'), settings);
  const prometheusDir = freshFolder(runDir, 'prometheus');
  const alertmanagerDir = freshFolder(runDir, 'alertmanager');

  const targetsDir = join(root, 'stack/prometheus/targets');
  for (const [from, to] of [
    [targetsDir, freshFolder(prometheusDir, 'targets')],
    [rulesDir, freshFolder(prometheusDir, 'rules')],
  ] as const) {
    const files = readdirSync(from).filter((file) => file.endsWith('.yml'));
    for (const file of files) writeFileSync(join(to, file), readCommitted(from, file));
  }

  const prometheus = parseDocument(readCommitted(root, 'stack/prometheus/prometheus.yml'));
  prometheus.setIn(['global', 'scrape_interval'], settings.scrapeInterval);
  prometheus.setIn(['global', 'evaluation_interval'], settings.scrapeInterval);
  if (settings.metricsToken !== undefined) {
    const path = secretFile(settings.metricsToken, join(prometheusDir, 'metrics-token'));
    // Ours alone ask for it: the first two jobs are the chat service and the notifier.
    for (const job of [0, 1]) {
      prometheus.setIn(['scrape_configs', job, 'authorization'], { credentials_file: path });
    }
  }

  const alertmanager = parseDocument(readCommitted(root, 'stack/alertmanager/alertmanager.yml'));
  if (settings.notifierToken !== undefined) {
    const path = secretFile(settings.notifierToken, join(alertmanagerDir, 'notifier-token'));
    alertmanager.setIn(['receivers', 0, 'webhook_configs', 0, 'http_config'], {
      authorization: { credentials_file: path },
    });
  }

  if (settings.mail !== undefined) {
    addEmail(alertmanager, settings.mail, (value) =>
      secretFile({ value }, join(alertmanagerDir, 'smtp-password')),
    );
  }

  const prometheusFile = join(prometheusDir, 'prometheus.yml');
  const alertmanagerFile = join(alertmanagerDir, 'alertmanager.yml');
  writeFileSync(prometheusFile, String(prometheus));
  writeFileSync(alertmanagerFile, String(alertmanager));
  return { prometheusFile, alertmanagerFile };
}

/** All in one pass, so that a port moved onto another's default is not moved twice. */
function withAddresses(text: string, { addresses }: Settable): string {
  const current = new Map<string, string>(
    services.map((name) => [committedAddresses[name], addresses[name].url.replace('http://', '')]),
  );
  return text.replaceAll(/127\.0\.0\.1:\d+/g, (found) => current.get(found) ?? found);
}

function freshFolder(parent: string, name: string): string {
  const folder = join(parent, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function secretFile(secret: Secret, path: string): string {
  if ('file' in secret) return secret.file;
  writeFileSync(path, secret.value, { mode: 0o600 });
  return path;
}
