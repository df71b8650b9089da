/** The endpoints of a service in front of another server: what it forwards, and what others tell about that server. Used by `app.ts`. */
import type { Endpoint } from '../api/endpoint.ts';
import type { ReadinessSource } from '../api/routes/health.ts';
import type { ServedModel } from '../api/served-model.ts';
import type { StatusSource } from '../console/server/status.ts';
import type { Backend } from './backend.ts';

/** The model that the console and `make chat` ask for: the first of the server's list. */
export function createBackendModel(backend: Backend): ServedModel {
  const first = (): string => backend.status().models[0] ?? 'unknown';
  return {
    get id() {
      return first();
    },
    get title() {
      return backend.labelOf(first());
    },
    aliases: [],
    strict: false,
    lenientTools: false,
    demo: false,
  };
}

/** Requests to these are counted. Any other path of `/v1` is forwarded without an account. */
const counted: readonly Pick<Endpoint, 'path' | 'operation' | 'errorForm'>[] = [
  { path: '/v1/chat/completions', operation: 'chat' },
  { path: '/v1/completions', operation: 'text_completion' },
  { path: '/v1/responses', operation: 'chat' },
  { path: '/v1/messages', operation: 'chat', errorForm: 'anthropic' },
  { path: '/v1/embeddings', operation: 'embeddings' },
];

export function createForwarded(handle: Endpoint['handle']): Endpoint[] {
  const common: Omit<Endpoint, 'path'> = {
    method: 'POST',
    summary: 'Forwarded to the server of BACKEND_URL, and its answer as it comes',
    access: 'key',
    answers: {},
    errors: ['unauthorized', 'backend_unreachable', 'backend_timeout', 'shutdown'],
    handle,
  };
  return counted.map((each) => Object.assign({}, common, each));
}

export function readinessOfBackend(backend: Backend): ReadinessSource {
  return {
    example: { status: 'ready', backend: true },
    read() {
      const { state, reason } = backend.status();
      return { status: state, reason, backend: true };
    },
  };
}

export function statusOfBackend(backend: Backend): StatusSource {
  return {
    example: { state: 'ready', backend: { host: '127.0.0.1:8080' } },
    read() {
      const { state, reason } = backend.status();
      return { state, backend: { host: backend.host, reason } };
    },
  };
}
