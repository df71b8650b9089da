/** Environment → the settings of a stack, checked, every problem in one error. Used by every `make` target of the stack. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { messages, StackError } from './messages.ts';

export const services = ['notifier', 'alertmanager', 'prometheus', 'chat'] as const;
/** Run in containers only, with profile `full`. */
export const viewers = ['grafana', 'jaeger'] as const;
export type ServiceName = (typeof services)[number] | (typeof viewers)[number];

export interface Address {
  /** What the process listens on. */
  host: string;
  port: number;
  /** Where the others and a person reach it: `http://127.0.0.1:8000`. */
  url: string;
  /** The environment variable that moves the port. */
  variable: string;
}

/** One process or container that listens. */
export interface Instance {
  /** `chat`, and `chat-2`, `chat-3` for its replicas. */
  name: string;
  service: ServiceName;
  address: Address;
}

export interface Settings {
  /** Undefined: whatever answers. */
  mode: 'native' | 'docker' | undefined;
  /** Containers only: whether Grafana and Jaeger run too. */
  profile: 'minimal' | 'full';
  /** Compose's name for the whole; its containers are called `<project>-<service>-<number>`. */
  project: string;
  /** How many chat services there are, on ports that follow one another. */
  replicas: number;
  /** The checkout. */
  root: string;
  /** State, logs and rendered configuration; one stack a folder. */
  runDir: string;
  /** Prometheus, Alertmanager and the notifier keep their data here. */
  dataDir: string;
  /** Where Prometheus and Alertmanager are unpacked when the machine has none. */
  toolsDir: string;
  /** Where `make model` puts what is served. */
  modelsDir: string;
  /** The rule files that Prometheus loads. */
  rulesDir: string;
  addresses: Readonly<Record<ServiceName, Address>>;
  /** All that runs, in the order in which it starts. */
  instances: readonly Instance[];
  /** A Prometheus duration: how often metrics are scraped and rules evaluated. */
  scrapeInterval: string;
  /** Bearer tokens: the value, or the absolute path of the file that holds it. */
  metricsToken: Secret | undefined;
  notifierToken: Secret | undefined;
  /** What Alertmanager itself mails with; undefined unless both the server and a recipient are set. */
  mail: Mail | undefined;
}

export interface Mail {
  /** `smtp://user:password@host:587`. */
  url: Secret;
  from: string;
  /** Addresses, separated by commas. */
  to: string;
}

export type Secret = { value: string } | { file: string };

const port = z
  .string()
  .refine((text) => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535, {
    error: 'expected a port from 1 to 65535',
  })
  .transform(Number);

const Environment = z.object({
  MODE: z.enum(['native', 'docker'], { error: 'expected native or docker' }).optional(),
  PROFILE: z.enum(['minimal', 'full'], { error: 'expected minimal or full' }).default('full'),
  COMPOSE_PROJECT_NAME: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, { error: 'expected lower case letters, digits, - and _' })
    .default('llamascope'),
  REPLICAS: z
    .string()
    .regex(/^([1-9]|1\d|20)$/, { error: 'expected an integer from 1 to 20' })
    .transform(Number)
    .default(1),
  SCRAPE_INTERVAL: z
    .string()
    .regex(/^[1-9]\d*(ms|s|m)$/, { error: 'expected a duration such as 15s or 1m' })
    .default('15s'),
  CHAT_HOST: z.string().default('127.0.0.1'),
  CHAT_PORT: port.default(8000),
  CHAT_MODELS_DIR: z.string().default('models'),
  PROMETHEUS_PORT: port.default(9090),
  ALERTMANAGER_PORT: port.default(9093),
  NOTIFIER_HOST: z.string().default('127.0.0.1'),
  NOTIFIER_PORT: port.default(8060),
  GRAFANA_PORT: port.default(3000),
  JAEGER_PORT: port.default(16_686),
  MAIL_FROM: z.string().optional(),
  MAIL_TO: z.string().optional(),
  LLAMASCOPE_RUN_DIR: z.string().optional(),
  LLAMASCOPE_DATA_DIR: z.string().default('data'),
  LLAMASCOPE_RULES_DIR: z.string().default('alerting/rules'),
});

/** @throws StackError that lists every setting that is wrong, what was expected and what came. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  // An empty variable is an unset one: that is what `FOO= make up` means by it.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => {
      const name = String(path[0]);
      return `${name}: ${message}, got ${JSON.stringify(given[name])}`;
    });
    throw new StackError(messages.settingsWrong(problems));
  }
  const data = parsed.data;
  const root = resolve(import.meta.dirname, '..');
  const secret = (name: string): Secret | undefined => {
    const file = given[`${name}_FILE`];
    if (file !== undefined) return { file: resolve(root, file) };
    const value = given[name];
    return value === undefined ? undefined : { value };
  };
  const addresses = {
    chat: addressOf(data.CHAT_HOST, data.CHAT_PORT, 'CHAT_PORT'),
    prometheus: addressOf('127.0.0.1', data.PROMETHEUS_PORT, 'PROMETHEUS_PORT'),
    alertmanager: addressOf('127.0.0.1', data.ALERTMANAGER_PORT, 'ALERTMANAGER_PORT'),
    notifier: addressOf(data.NOTIFIER_HOST, data.NOTIFIER_PORT, 'NOTIFIER_PORT'),
    grafana: addressOf('127.0.0.1', data.GRAFANA_PORT, 'GRAFANA_PORT'),
    jaeger: addressOf('127.0.0.1', data.JAEGER_PORT, 'JAEGER_PORT'),
  };
  const watched = data.MODE === 'docker' && data.PROFILE === 'full' ? viewers : [];
  const instances = [...services, ...watched].flatMap((service) =>
    listInstances(service, addresses[service], service === 'chat' ? data.REPLICAS : 1),
  );
  refuseSharedPorts(instances);
  const mailServer = secret('SMTP_URL');
  const to = data.MAIL_TO;
  return Object.freeze({
    mode: data.MODE,
    profile: data.PROFILE,
    project: data.COMPOSE_PROJECT_NAME,
    replicas: data.REPLICAS,
    root,
    runDir: resolve(root, data.LLAMASCOPE_RUN_DIR ?? `stack/run/${data.MODE ?? 'native'}`),
    dataDir: resolve(root, data.LLAMASCOPE_DATA_DIR),
    toolsDir: join(root, '.tools'),
    modelsDir: resolve(root, data.CHAT_MODELS_DIR),
    rulesDir: resolve(root, data.LLAMASCOPE_RULES_DIR),
    addresses,
    instances,
    scrapeInterval: data.SCRAPE_INTERVAL,
    metricsToken: secret('METRICS_TOKEN'),
    notifierToken: secret('NOTIFIER_TOKEN'),
    mail:
      mailServer === undefined || to === undefined
        ? undefined
        : { url: mailServer, from: data.MAIL_FROM ?? to.replace(/,.*/s, ''), to },
  });
}

function listInstances(service: ServiceName, first: Address, count: number): Instance[] {
  return Array.from({ length: count }, (_, at) => ({
    name: at === 0 ? service : `${service}-${at + 1}`,
    service,
    address: addressOf(first.host, first.port + at, first.variable),
  }));
}

function refuseSharedPorts(instances: readonly Instance[]): void {
  const problems = instances.flatMap(({ name, address: { port, variable } }, at) => {
    if (port > 65_535)
      return [`${variable}: expected a port from 1 to 65535, got ${port} for ${name}`];
    const other = instances.slice(0, at).find((earlier) => earlier.address.port === port);
    if (other === undefined) return [];
    return [
      `${variable}: expected ports of their own, ${name} and ${other.name} both have ${port}`,
    ];
  });
  if (problems.length > 0) throw new StackError(messages.settingsWrong(problems));
}

/** What listens on all addresses is reached on loopback. */
export function addressOf(host: string, port: number, variable = ''): Address {
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return { host, port, url: `http://${name}:${port}`, variable };
}
