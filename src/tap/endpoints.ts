/** The endpoints of a service in front of another server: what it forwards, and what it tells about that server. Used by `app.ts`. */
import { z } from 'zod';
import type { Endpoint } from '../api/endpoint.ts';
import { answersJson } from '../api/endpoint.ts';
import { toCard } from '../api/openai/models.ts';
import { Readiness } from '../api/routes/health.ts';
import { service } from '../api/routes/version.ts';
import type { ServedModel } from '../api/served-model.ts';
import type { Config } from '../config.ts';
import { Status } from '../console/server/answers.ts';
import { isLogDiskFull } from '../kit/free-space.ts';
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

export interface BackendDeps extends Pick<Config, 'links'> {
  backend: Backend;
  model: ServedModel;
  draining: () => boolean;
  needsKey: boolean;
}

const Version = z.object({
  name: z.string(),
  version: z.string(),
  node: z.string(),
  backend: z.literal(true),
  model: z.string(),
});

export function createBackendVersion({ model }: BackendDeps): Endpoint {
  const { name, version } = service;
  const versions = { name, version, node: process.version, backend: true } as const;
  return {
    method: 'GET',
    path: '/version',
    summary: 'Versions, and the first model of the server of BACKEND_URL',
    access: 'key',
    answers: answersJson('Version', Version, { ...versions, model: 'qwen' }),
    errors: ['unauthorized'],
    handle: (c) => c.json({ ...versions, model: model.id }),
  };
}

export function createBackendReadiness({ backend, model, draining }: BackendDeps): Endpoint {
  const card = { id: 'qwen', object: 'model', created: 0, owned_by: 'llamascope' } as const;
  return {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the server of BACKEND_URL answers; if not, 503 with the same body',
    access: 'open',
    alsoStatus: 503,
    answers: answersJson('Readiness', Readiness, {
      status: 'ready',
      backend: true,
      model: { ...card, title: 'qwen', demo: false },
    }),
    errors: [],
    handle(c) {
      const { state, reason } = backend.status();
      const status = draining() ? 'draining' : state;
      const body = { status, ...(reason !== undefined && { reason }), backend: true };
      return c.json({ ...body, model: toCard(model) }, status === 'ready' ? 200 : 503);
    },
  };
}

export function createBackendStatus(deps: BackendDeps): Endpoint {
  const { name, version } = service;
  const { backend, model, draining, needsKey, links } = deps;
  return {
    method: 'GET',
    path: '/api/status',
    summary: 'State of the server of BACKEND_URL, and links to the rest of the stack',
    access: 'console',
    answers: answersJson('Status', Status, {
      service: { name, version },
      model: { id: 'qwen', title: 'qwen', demo: false },
      state: 'ready',
      backend: {},
      needsKey: false,
      links: { prometheus: 'http://127.0.0.1:9090' },
    }),
    errors: ['unauthorized', 'forbidden'],
    handle(c) {
      const { state, reason } = backend.status();
      const { id, title, demo } = model;
      return c.json({
        service: { name, version },
        model: { id, title, demo },
        state: draining() ? 'draining' : state,
        backend: reason === undefined ? {} : { reason },
        needsKey,
        ...(isLogDiskFull() && { logDiskFull: true }),
        links,
      } satisfies Status);
    },
  };
}
