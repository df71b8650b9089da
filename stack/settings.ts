/** Reads the settings of `make up`, `down`, `status` and `logs` from the environment. Used by `up.ts` and tests. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  createSettings,
  integer,
  port,
  readSecretFile,
  type SecretSource,
} from '../src/kit/settings.ts';
import { isLoopback } from '../src/kit/loopback.ts';
import { messages } from './messages.ts';
import { StackError } from './terminal.ts';

const services = ['notifier', 'alertmanager', 'prometheus', 'chat'] as const;
/** These run only in containers, with profile `full`. */
const viewers = ['grafana', 'jaeger'] as const;
export type ServiceName = (typeof services)[number] | (typeof viewers)[number];

/** Default ports. The committed configuration files and the containers use the same numbers. */
export const defaultPorts: Record<ServiceName, number> = {
  chat: 8000,
  prometheus: 9090,
  alertmanager: 9093,
  notifier: 8060,
  grafana: 3000,
  jaeger: 16_686,
};

export const maxReplicas = 20;

export interface Address {
  /** The address that the process listens on. */
  host: string;
  port: number;
  /** The URL for people and for the other services: `http://127.0.0.1:8000`. */
  url: string;
  /** The environment variable that sets the port. */
  variable: string;
}

/** One process or container that listens on a port. */
export interface Instance {
  /** Such as `chat`; its replicas are `chat-2`, `chat-3`. */
  name: string;
  service: ServiceName | 'nginx';
  address: Address;
}

export interface Settings {
  /** Undefined: docker if a Docker engine answers, else native. */
  mode: 'native' | 'docker' | undefined;
  /** `full` adds Grafana and Jaeger in docker mode. */
  profile: 'minimal' | 'full';
  /** The Compose project; its containers are called `<project>-<service>-<number>`. */
  project: string;
  /** Number of chat services, on consecutive ports. */
  replicas: number;
  /** The root folder of the repository. */
  root: string;
  /** The folder for state, logs and generated configuration. Each run folder belongs to one stack. */
  runDir: string;
  /** The folder for data of Prometheus, Alertmanager and the notifier. */
  dataDir: string;
  /** The folder into which Prometheus and Alertmanager are unpacked if they are not on PATH. */
  toolsDir: string;
  modelsDir: string;
  /** The folder with the rule files that Prometheus loads. */
  rulesDir: string;
  addresses: Readonly<Record<ServiceName, Address>>;
  /** In native mode with NGINX_PORT: one address in front of the chat services. */
  nginx: Address | undefined;
  /** All processes or containers, in start order. */
  instances: readonly Instance[];
  /** A Prometheus duration: the interval of scrapes and rule evaluations. */
  scrapeInterval: string;
  /** BACKEND_URL: the chat service stands in front of this server and has no engine. */
  backendUrl: string | undefined;
  /** Bearer tokens. The path of a token file is absolute. */
  metricsToken: SecretSource | undefined;
  notifierToken: SecretSource | undefined;
  /** Alertmanager's own email; undefined unless SMTP_URL and MAIL_TO are set. */
  mail: Mail | undefined;
}

export interface Mail {
  /** `smtp://user:password@host:587`. */
  url: SecretSource;
  from: string;
  /** Addresses, separated by commas. */
  to: string;
}

const mode = z.enum(['native', 'docker'], { error: 'expected native or docker' });
const profile = z.enum(['minimal', 'full'], { error: 'expected minimal or full' });
const language = z.string().regex(/^(en|zh)/, { error: 'expected en or zh' });
const project = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/, {
  error: 'expected lower case letters, digits, - and _',
});
const interval = z.string().regex(/^[1-9]\d*(ms|s|m)$/, {
  error: 'expected a duration such as 15s or 1m',
});

/**
 * @param others Problems that the programs themselves found (`check-settings.ts`).
 * @throws StackError that lists every invalid setting with the expected and the given value.
 */
export function readSettings(env: NodeJS.ProcessEnv, others: readonly string[] = []): Settings {
  const given = createSettings(env);
  const root = resolve(import.meta.dirname, '..');
  const folder = (name: string, fallback: string): string =>
    resolve(root, given.text(name) ?? fallback);
  const address = (service: ServiceName, host = '127.0.0.1'): Address => {
    const variable = `${service.toUpperCase()}_PORT`;
    return addressOf(host, given.read(variable, port(1), defaultPorts[service]), variable);
  };
  const secret = (name: string): SecretSource | undefined => {
    const source = given.secretSource(name);
    return source && 'file' in source ? { file: resolve(root, source.file) } : source;
  };
  given.read('LLAMASCOPE_LANG', language, undefined);
  const chosenMode = given.read('MODE', mode, undefined);
  const chosenProfile = given.read('PROFILE', profile, 'full');
  const replicas = given.read('REPLICAS', integer(1, maxReplicas), 1);
  const addresses = {
    chat: address('chat', given.text('CHAT_HOST')),
    prometheus: address('prometheus'),
    alertmanager: address('alertmanager'),
    notifier: address('notifier', given.text('NOTIFIER_HOST')),
    grafana: address('grafana'),
    jaeger: address('jaeger'),
  };
  const nginxPort = given.read('NGINX_PORT', port(1), undefined);
  if (nginxPort !== undefined && chosenMode === 'docker') {
    given.problem('NGINX_PORT: expected MODE=native, got docker');
  }
  const nginx =
    nginxPort === undefined
      ? undefined
      : addressOf(given.text('CHAT_HOST') ?? '127.0.0.1', nginxPort, 'NGINX_PORT');
  const running = chosenMode === 'docker' && chosenProfile === 'full' ? viewers : [];
  const instances: Instance[] = [...services, ...running].flatMap((service) =>
    listInstances(service, addresses[service], service === 'chat' ? replicas : 1),
  );
  if (nginx !== undefined) instances.push({ name: 'nginx', service: 'nginx', address: nginx });
  const settings: Settings = {
    mode: chosenMode,
    profile: chosenProfile,
    project: given.read('COMPOSE_PROJECT_NAME', project, 'llamascope'),
    replicas,
    root,
    runDir: folder('LLAMASCOPE_RUN_DIR', `stack/run/${chosenMode ?? 'native'}`),
    dataDir: folder('LLAMASCOPE_DATA_DIR', 'data'),
    toolsDir: join(root, '.tools'),
    modelsDir: folder('CHAT_MODELS_DIR', 'models'),
    rulesDir: folder('LLAMASCOPE_RULES_DIR', 'alerting/generated'),
    addresses,
    nginx,
    instances,
    backendUrl: given.text('BACKEND_URL'),
    scrapeInterval: given.read('SCRAPE_INTERVAL', interval, '15s'),
    metricsToken: secret('METRICS_TOKEN'),
    notifierToken: secret('NOTIFIER_TOKEN'),
    mail: mailOf(secret('SMTP_URL'), given.text('MAIL_FROM'), given.text('MAIL_TO')),
  };
  // An invalid port is replaced by its default, which must not be reported as a duplicate. So check ports only without problems.
  const own = given.problems.length > 0 ? given.problems : portProblems(instances);
  const named = new Set(own.map(variableOf));
  // Both programs read some of the settings.
  const found = new Set(others.filter((problem) => !named.has(variableOf(problem))));
  const problems = [...own, ...found, ...unreachableFromContainers(settings)];
  if (problems.length > 0) throw new StackError(messages.settingsWrong(problems));
  return settings;
}

/** In a container, loopback is the container itself. */
export function isLoopbackUrl(url: string | undefined): boolean {
  const host = URL.parse(url ?? '')?.hostname.replaceAll(/^\[|\]$/g, '');
  return host !== undefined && isLoopback(host);
}

function unreachableFromContainers({ mode, backendUrl }: Settings): string[] {
  if (mode !== 'docker' || !isLoopbackUrl(backendUrl)) return [];
  return [
    'BACKEND_URL: expected an address that a container reaches, got one of loopback. Use http://host.docker.internal:PORT with a server that listens beyond loopback, or MODE=native',
  ];
}

/** `CHAT_PORT: expected …` → `CHAT_PORT` */
function variableOf(problem: string): string {
  return problem.replace(/:.*/s, '');
}

/** The text of a secret. @throws StackError with the name of the setting and of the file, never with the content. */
export function readSecret(name: string, source: SecretSource): string {
  if ('value' in source) return source.value;
  try {
    return readSecretFile(source.file);
  } catch (error) {
    const problem = `${name}: ${(error as Error).message}`;
    throw new StackError(messages.settingsWrong([problem]), { cause: error });
  }
}

function mailOf(
  url: SecretSource | undefined,
  from: string | undefined,
  to: string | undefined,
): Mail | undefined {
  if (url === undefined || to === undefined) return undefined;
  return { url, from: from ?? to.replace(/,.*/s, ''), to };
}

function listInstances(service: ServiceName, first: Address, count: number): Instance[] {
  return Array.from({ length: count }, (_, at) => ({
    name: at === 0 ? service : `${service}-${at + 1}`,
    service,
    address: addressOf(first.host, first.port + at, first.variable),
  }));
}

function portProblems(instances: readonly Instance[]): string[] {
  return instances.flatMap(({ name, address: { port, variable } }, at) => {
    if (port > 65_535) {
      return [`${variable}: expected a port from 1 to 65535, got ${port} for ${name}`];
    }
    const other = instances.slice(0, at).find((earlier) => earlier.address.port === port);
    if (other === undefined) return [];
    return [`${variable}: expected different ports, ${name} and ${other.name} both have ${port}`];
  });
}

/** Returns the address with its URL. The URL of a service that listens on all addresses is on 127.0.0.1. */
export function addressOf(host: string, port: number, variable = ''): Address {
  const isWildcard = host === '0.0.0.0' || host === '::';
  const name = isWildcard ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return { host, port, url: `http://${name}:${port}`, variable };
}
