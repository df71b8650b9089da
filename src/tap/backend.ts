/** The server of BACKEND_URL: whether it answers, its models, and connections to it. Used by `forward.ts` and `endpoints.ts`. */
import http from 'node:http';
import https from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { z } from 'zod';
import type { ServiceState } from '../../otel/names.ts';
import { explainFetchFailure } from '../kit/fetch-failure.ts';

const connectMillis = 4000;
const probeMillis = 5000;
/** Until the server answers. */
const retryMillis = 1000;
const probeTimeoutMillis = 3000;
/** Each model has series of its own. */
const maxModels = 20;
/** The label of an answer whose model is none of the list. */
const otherModel = 'other';

const ModelList = z.object({ data: z.array(z.object({ id: z.string() })) });

export interface BackendStatus {
  state: Extract<ServiceState, 'loading' | 'ready' | 'unreachable'>;
  /** Why it is not ready. */
  reason?: string;
  /** As the server lists them. */
  models: readonly string[];
}

export interface BackendOptions {
  /** Without `/v1` and without a slash at the end. */
  url: string;
  key: string | undefined;
  /** The longest silence. */
  timeoutSeconds: number;
  /** Called for every model once. */
  onModel: (label: string) => void;
  log: { info(facts: object, message: string): void };
}

export interface Backend extends Pick<BackendOptions, 'key' | 'timeoutSeconds'> {
  /** Name and port, as in the header `Host`. */
  readonly host: string;
  status(): BackendStatus;
  /** The metric label of a model's name. */
  labelOf: (model: string | undefined) => string;
  /** Requests that the server has not answered to the end. */
  pending(): number;
  /** `path` begins with `/v1/`. */
  request(options: http.RequestOptions & { path: string }): http.ClientRequest;
  stop(): void;
}

export function createBackend(options: BackendOptions): Backend {
  const { key, timeoutSeconds, onModel, log } = options;
  const url = new URL(options.url);
  const base = url.pathname.replace(/\/$/, '');
  const client = url.protocol === 'https:' ? https : http;
  // A connection for each request: llama-server closes one after a stream without saying so, and the next request on it would be lost.
  const agent = new client.Agent({ keepAlive: false });
  const target = { ...urlToHttpOptions(url), agent, timeout: connectMillis };
  const known = new Set<string>();
  let status: BackendStatus = { state: 'loading', models: [] };
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let pending = 0;

  const get = (path: string): Promise<Response> =>
    fetch(options.url + path, {
      signal: AbortSignal.timeout(probeTimeoutMillis),
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    });

  async function probe(): Promise<BackendStatus> {
    const { models } = status;
    try {
      const health = await get('/health');
      await health.body?.cancel();
      // llama-server while it loads its model.
      if (health.status === 503) return { state: 'loading', reason: 'it answers 503', models };
      const list = await get('/v1/models');
      const parsed = ModelList.safeParse(await list.json().catch(() => undefined));
      if (parsed.success) return { state: 'ready', models: parsed.data.data.map(({ id }) => id) };
      if (health.ok || list.status === 401) return { state: 'ready', models };
      return { state: 'unreachable', reason: `/v1/models answers ${list.status}`, models };
    } catch (error) {
      return { state: 'unreachable', reason: explainFetchFailure(error), models };
    }
  }

  async function poll(): Promise<void> {
    const before = status.state;
    status = await probe();
    if (isStopped) return;
    const { state, reason, models } = status;
    const added = models.filter((model) => !known.has(model)).slice(0, maxModels - known.size);
    for (const model of added) {
      onModel(toLabel(model));
      known.add(model);
    }
    if (state !== before) log.info({ state, reason, models: models.length }, 'the backend');
    timer = setTimeout(() => void poll(), state === 'ready' ? probeMillis : retryMillis);
    timer.unref();
  }
  void poll();

  return {
    key,
    timeoutSeconds,
    host: url.host,
    status: () => status,
    pending: () => pending,
    labelOf(model) {
      const models = status.models.filter((id) => known.has(id));
      const found = models.find((id) => id === model || id === `${model}:latest`);
      return toLabel(found ?? (models.length === 1 ? models[0]! : otherModel));
    },
    request(given) {
      const request = client.request({ ...target, ...given, path: base + given.path });
      pending += 1;
      request.on('timeout', () => {
        if (request.socket?.connecting === true) request.destroy(createConnectTimeout());
      });
      return request.once('close', () => (pending -= 1));
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      agent.destroy();
    },
  };
}

function createConnectTimeout(): Error {
  return Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' });
}

/** llama-server names a model by its path. */
function toLabel(id: string): string {
  return id.replace(/^.*[\\/](?=[^\\/]+\.gguf$)/i, '');
}
