/** Reads the service's configuration from environment variables. Used by main.ts. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { sharePrefixes, type SharePrefix } from './engine/engine.ts';
import {
  createSettings,
  flag,
  hostNames,
  integer,
  integerOrAuto,
  origins,
  port,
  requireKeyBeyondLoopback,
  type Settings,
} from './kit/settings.ts';
import { isLoopback, readGateway } from './kit/loopback.ts';

/** URLs of the programs around the service, without a slash at the end; undefined if not set. */
type Urls<Name extends string> = Readonly<Record<Name, string | undefined>>;

/** Programs that the console queries. */
export type Peers = Urls<'prometheus' | 'alertmanager' | 'notifier'>;

/** Programs that the console's page links to, as a browser reaches them. */
export type Links = Urls<keyof Peers | 'jaeger' | 'grafana'>;

export interface BackendConfig {
  /** Without `/v1` and without a slash at the end. */
  url: string;
  key: string | undefined;
  /** The longest silence of the server. */
  timeoutSeconds: number;
}

export interface Config {
  host: string;
  /** Names under which others reach the service, through a proxy or in a network of containers. */
  publicHosts: readonly string[];
  /** In a container whose port is published on loopback: the address from which requests of the machine come. */
  forwarder: string | undefined;
  /** Origins whose pages may use the API. */
  corsOrigins: readonly string[];
  port: number;
  /** A catalogue id or the path of a GGUF file; undefined: the best model of the catalogue in `modelsDir`. */
  model: string | undefined;
  modelsDir: string;
  /** `auto`: the engine chooses by cores and memory. */
  threads: number | 'auto';
  sequences: number | 'auto';
  contextTokens: number | 'auto';
  /** Which prompts start from the KV cache of others. */
  sharePrefix: SharePrefix;
  /** Memory for conversations without a sequence, in megabytes. */
  cacheMegabytes: number | 'auto';
  queueLimit: number;
  queueTimeoutSeconds: number;
  deadlineSeconds: number;
  /** Grace period of running answers after SIGTERM. Interrupted answers then have 2.5 s to send their error and close. */
  graceSeconds: number;
  /** An engine process that reports nothing for this long is restarted. */
  hangSeconds: number;
  /** Whether /v1/embeddings answers; needs a second context. */
  embeddings: boolean;
  /** Whether a request must name the served model, or none. */
  strictModel: boolean;
  /** Whether a tool call without tags is one; undefined: as the catalogue says of the model. */
  lenientTools: boolean | undefined;
  /** Empty: no key is required. */
  apiKeys: readonly string[];
  metricsToken: string | undefined;
  /** A server in whose front this service stands; undefined: an engine of its own. */
  backend: BackendConfig | undefined;
  peers: Peers;
  links: Links;
  /** NOTIFIER_TOKEN: the console lists the notifier's deliveries with it. */
  notifierToken: string | undefined;
}

const sharing = z.enum(sharePrefixes, { error: 'expected "key", "all" or "none"' });

const hostName = z.string().refine((text) => text === 'localhost' || isIP(text) !== 0, {
  error: 'expected an IP address or "localhost"',
});

/** @throws Error that lists every invalid setting with the expected and the given value. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const settings = createSettings(env);
  const peers: Peers = {
    prometheus: readUrl(settings, 'PROMETHEUS_URL'),
    alertmanager: readUrl(settings, 'ALERTMANAGER_URL'),
    notifier: readUrl(settings, 'NOTIFIER_URL'),
  };
  const apiKeys = (settings.secret('CHAT_API_KEYS') ?? '')
    .split(/[\s,]+/)
    .filter((key) => key !== '');
  const host = settings.read('CHAT_HOST', hostName, '127.0.0.1');
  const publicHosts = settings.read('CHAT_PUBLIC_HOST', hostNames, []);
  // A container listens on all its addresses, and is reached under the published one.
  const published = settings.text('CHAT_PUBLISHED_HOST');
  requireKeyBeyondLoopback(settings, {
    hosts:
      published === undefined
        ? { CHAT_HOST: [host], CHAT_PUBLIC_HOST: publicHosts }
        : { CHAT_PUBLISHED_HOST: [published] },
    key: 'CHAT_API_KEYS',
    isSet: apiKeys.length > 0,
    permission: 'CHAT_ALLOW_ANONYMOUS',
  });
  // Otherwise `cached_tokens` and the time to the first token would tell one key's owner what the others ask.
  const defaultSharing: SharePrefix = apiKeys.length > 0 ? 'key' : 'all';
  const config: Config = {
    host,
    publicHosts,
    forwarder: published !== undefined && isLoopback(published) ? readGateway() : undefined,
    corsOrigins: settings.read('CHAT_CORS_ORIGINS', origins, []),
    port: settings.read('CHAT_PORT', port(0), 8000),
    model: settings.text('CHAT_MODEL'),
    modelsDir: settings.text('CHAT_MODELS_DIR') ?? 'models',
    threads: settings.read('CHAT_THREADS', integerOrAuto(1, 256), 'auto'),
    sequences: settings.read('CHAT_SEQUENCES', integerOrAuto(1, 64), 'auto'),
    contextTokens: settings.read('CHAT_CONTEXT', integerOrAuto(256, 131_072), 'auto'),
    sharePrefix: settings.read('CHAT_SHARE_PREFIX', sharing, defaultSharing),
    cacheMegabytes: settings.read('CHAT_CACHE_MB', integerOrAuto(0, 1_048_576), 'auto'),
    queueLimit: settings.read('CHAT_QUEUE_LIMIT', integer(0, 10_000), 64),
    queueTimeoutSeconds: settings.read('CHAT_QUEUE_TIMEOUT_SECONDS', integer(1, 3600), 30),
    deadlineSeconds: settings.read('CHAT_DEADLINE_SECONDS', integer(1, 3600), 300),
    graceSeconds: settings.read('CHAT_GRACE_SECONDS', integer(0, 3600), 15),
    hangSeconds: settings.read('CHAT_HANG_SECONDS', integer(1, 3600), 30),
    embeddings: settings.read('CHAT_EMBEDDINGS', flag, false),
    strictModel: settings.read('CHAT_STRICT_MODEL', flag, false),
    lenientTools: settings.read('CHAT_LENIENT_TOOLS', flag, undefined),
    apiKeys,
    metricsToken: settings.secret('METRICS_TOKEN'),
    backend: readBackend(settings),
    peers,
    // In containers the service reaches the others by names that a browser cannot resolve.
    links: {
      prometheus: readUrl(settings, 'PROMETHEUS_PUBLIC_URL') ?? peers.prometheus,
      alertmanager: readUrl(settings, 'ALERTMANAGER_PUBLIC_URL') ?? peers.alertmanager,
      notifier: readUrl(settings, 'NOTIFIER_PUBLIC_URL') ?? peers.notifier,
      jaeger: readUrl(settings, 'JAEGER_URL'),
      grafana: readUrl(settings, 'GRAFANA_URL'),
    },
    notifierToken: settings.secret('NOTIFIER_TOKEN'),
  };
  settings.throwProblems();
  return Object.freeze(config);
}

function readBackend(settings: Settings): BackendConfig | undefined {
  const url = readUrl(settings, 'BACKEND_URL')?.replace(/\/v1$/, '');
  const key = settings.secret('BACKEND_API_KEY');
  const timeoutSeconds = settings.read('BACKEND_TIMEOUT_SECONDS', integer(1, 86_400), 300);
  return url === undefined ? undefined : { url, key, timeoutSeconds };
}

/** The URL must not contain credentials, because the console's page gets it as a link. */
function readUrl(settings: Settings, name: string): string | undefined {
  const given = settings.text(name);
  if (given === undefined) return undefined;
  const url = URL.parse(given);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === '';
  if (isPlain && url.password === '' && url.search === '' && url.hash === '') {
    return url.href.replace(/\/+$/, '');
  }
  settings.problem(
    `${name}: expected a URL such as http://127.0.0.1:9090 without user, password, query and fragment, got something else (not shown)`,
  );
  return undefined;
}
