/** Environment → one frozen, checked Config. Every problem is told in one error. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';

/** Addresses of the programs around the service, without a slash at the end; undefined where nobody said. */
export type Addresses<Name extends string> = Readonly<Record<Name, string | undefined>>;

/** Whom the console asks. */
export type Peers = Addresses<'prometheus' | 'alertmanager' | 'notifier'>;

/** Whom it links to, as a browser reaches them. */
export type Links = Addresses<keyof Peers | 'jaeger' | 'grafana'>;

export interface Config {
  host: string;
  port: number;
  /** A catalogue id or the path of a GGUF file. */
  model: string;
  modelsDir: string;
  /** `auto` lets the engine choose by cores and memory. */
  threads: number | 'auto';
  sequences: number | 'auto';
  contextTokens: number | 'auto';
  queueLimit: number;
  queueTimeoutSeconds: number;
  deadlineSeconds: number;
  /** What running answers have left at SIGTERM; two seconds and a half of farewells come after it. */
  graceSeconds: number;
  /** An engine process that is silent for this long is taken for hung. */
  hangSeconds: number;
  /** Whether /v1/embeddings answers; costs a second context. */
  embeddings: boolean;
  /** Whether requests may name any model. */
  anyModel: boolean;
  /** Empty: nobody is asked for a key. */
  apiKeys: readonly string[];
  metricsToken: string | undefined;
  peers: Peers;
  links: Links;
  /** What the notifier wants to hear before it tells what was delivered. */
  notifierToken: string | undefined;
}

const expectInteger = (min: number, max: number) =>
  z
    .string()
    .refine((text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `expected an integer from ${min} to ${max}`,
    })
    .transform(Number);

const integerOrAuto = (min: number, max: number) =>
  z.union([z.literal('auto'), expectInteger(min, max)], {
    error: `expected "auto" or an integer from ${min} to ${max}`,
  });

const onOrOff = z
  .enum(['true', 'false'], { error: 'expected "true" or "false"' })
  .transform((text) => text === 'true');

const Environment = z.object({
  CHAT_HOST: z
    .string()
    .refine((text) => text === 'localhost' || isIP(text) !== 0, {
      error: 'expected an IP address or "localhost"',
    })
    .default('127.0.0.1'),
  CHAT_PORT: expectInteger(0, 65_535).default(8000),
  CHAT_MODEL: z.string().min(1).default('qwen2.5-0.5b-instruct'),
  CHAT_MODELS_DIR: z.string().min(1).default('models'),
  CHAT_THREADS: integerOrAuto(1, 256).default('auto'),
  CHAT_SEQUENCES: integerOrAuto(1, 64).default('auto'),
  CHAT_CONTEXT: integerOrAuto(256, 131_072).default('auto'),
  CHAT_QUEUE_LIMIT: expectInteger(0, 10_000).default(64),
  CHAT_QUEUE_TIMEOUT_SECONDS: expectInteger(1, 3600).default(30),
  CHAT_DEADLINE_SECONDS: expectInteger(1, 3600).default(300),
  CHAT_GRACE_SECONDS: expectInteger(0, 3600).default(15),
  CHAT_HANG_SECONDS: expectInteger(1, 3600).default(30),
  CHAT_EMBEDDINGS: onOrOff.default(false),
  CHAT_ANY_MODEL: onOrOff.default(false),
});

/** @throws Error that lists every setting that is wrong, what was expected and what came. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  // An empty variable is an unset one: that is what `FOO= make up` and compose files mean by it.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const problems: string[] = [];
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      problems.push(`${name}: ${issue.message}, got ${JSON.stringify(given[name])}`);
    }
  }
  const secret = (name: string): string | undefined => readSecret(given, name, problems);
  const keys = secret('CHAT_API_KEYS');
  const metricsToken = secret('METRICS_TOKEN');
  const notifierToken = secret('NOTIFIER_TOKEN');
  const url = (name: string): string | undefined => readUrl(given, name, problems);
  const peers: Peers = {
    prometheus: url('PROMETHEUS_URL'),
    alertmanager: url('ALERTMANAGER_URL'),
    notifier: url('NOTIFIER_URL'),
  };
  // In containers the service asks others by names that no browser can look up.
  const links: Links = {
    prometheus: url('PROMETHEUS_PUBLIC_URL') ?? peers.prometheus,
    alertmanager: url('ALERTMANAGER_PUBLIC_URL') ?? peers.alertmanager,
    notifier: url('NOTIFIER_PUBLIC_URL') ?? peers.notifier,
    jaeger: url('JAEGER_URL'),
    grafana: url('GRAFANA_URL'),
  };
  if (!parsed.success || problems.length > 0) {
    throw new Error(`The settings are wrong:\n  ${problems.join('\n  ')}`);
  }
  const data = parsed.data;
  return Object.freeze({
    host: data.CHAT_HOST,
    port: data.CHAT_PORT,
    model: data.CHAT_MODEL,
    modelsDir: data.CHAT_MODELS_DIR,
    threads: data.CHAT_THREADS,
    sequences: data.CHAT_SEQUENCES,
    contextTokens: data.CHAT_CONTEXT,
    queueLimit: data.CHAT_QUEUE_LIMIT,
    queueTimeoutSeconds: data.CHAT_QUEUE_TIMEOUT_SECONDS,
    deadlineSeconds: data.CHAT_DEADLINE_SECONDS,
    graceSeconds: data.CHAT_GRACE_SECONDS,
    hangSeconds: data.CHAT_HANG_SECONDS,
    embeddings: data.CHAT_EMBEDDINGS,
    anyModel: data.CHAT_ANY_MODEL,
    apiKeys: keys === undefined ? [] : keys.split(/[\s,]+/).filter((key) => key !== ''),
    metricsToken,
    peers,
    links,
    notifierToken,
  });
}

/** `NAME`, or the content of the file that `NAME_FILE` names. The value itself is never part of a problem. */
function readSecret(
  env: Record<string, string | undefined>,
  name: string,
  problems: string[],
): string | undefined {
  const file = env[`${name}_FILE`];
  if (file === undefined) return env[name];
  if (env[name] !== undefined) {
    problems.push(`${name} and ${name}_FILE: expected one of them, got both`);
    return undefined;
  }
  try {
    const content = readFileSync(file, 'utf8').trim();
    if (content === '')
      problems.push(`${name}_FILE: expected a file with the secret, ${file} is empty`);
    return content;
  } catch (error) {
    problems.push(`${name}_FILE: expected a readable file, got ${(error as Error).message}`);
    return undefined;
  }
}

/** A user and a password have no place in it: the console's page is told it, as a link. */
function readUrl(
  env: Record<string, string | undefined>,
  name: string,
  problems: string[],
): string | undefined {
  const given = env[name];
  if (given === undefined) return undefined;
  const url = URL.parse(given);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === '';
  if (isPlain && url.password === '' && url.search === '' && url.hash === '') {
    return url.href.replace(/\/+$/, '');
  }
  problems.push(
    `${name}: expected an address such as http://127.0.0.1:9090, without user, password and query, got another (not shown)`,
  );
  return undefined;
}
