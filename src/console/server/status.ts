/** GET /api/status: the model, the state of the engine, the queue, and links to the rest of the stack. */
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { EngineDeps } from '../../api/routes/health.ts';
import { service } from '../../api/routes/version.ts';
import type { ServedModel } from '../../api/served-model.ts';
import type { Config } from '../../config.ts';
import { isLogDiskFull } from '../../kit/free-space.ts';
import { Status } from './answers.ts';

/** What is known of the engine, or of the server of BACKEND_URL. */
type StatusFacts = Omit<Status, 'service' | 'model' | 'needsKey' | 'logDiskFull' | 'links'>;

export interface StatusSource {
  read: () => StatusFacts;
  example: StatusFacts;
}

export interface StatusDeps extends Pick<Config, 'links' | 'apiKeys'> {
  model: ServedModel;
  draining: () => boolean;
}

export function createStatus(
  { model, draining, apiKeys, links }: StatusDeps,
  { read, example }: StatusSource,
): Endpoint {
  const { name, version } = service;
  return {
    method: 'GET',
    path: '/api/status',
    summary: 'Model, state, queue, and links to the rest of the stack',
    access: 'console',
    answers: answersJson('Status', Status, {
      service: { name, version },
      model: { id: model.id, title: 'Qwen2.5-0.5B-Instruct', demo: false },
      ...example,
      needsKey: false,
      links: { prometheus: 'http://127.0.0.1:9090' },
    }),
    errors: ['unauthorized', 'forbidden'],
    handle(c) {
      const facts = read();
      const { id, title, demo, notice } = model;
      return c.json({
        service: { name, version },
        model: { id, title, demo, ...(notice === undefined ? {} : { notice }) },
        ...facts,
        state: draining() ? 'draining' : facts.state,
        needsKey: apiKeys.length > 0,
        ...(isLogDiskFull() && { logDiskFull: true }),
        links,
      } satisfies Status);
    },
  };
}

export function statusOfEngine({ engine, queueLimit }: EngineDeps): StatusSource {
  return {
    example: {
      state: 'ready',
      restarts: 0,
      sequences: 4,
      contextTokens: 4096,
      queue: { depth: 0, limit: 64 },
    },
    read() {
      const status = engine.status();
      const facts = status.state === 'ready' ? status.facts : undefined;
      return {
        state: status.state,
        ...(status.state === 'failed' && { failure: status.reason }),
        restarts: status.restarts,
        ...(facts && { sequences: facts.sequences, contextTokens: facts.contextTokens }),
        queue: { depth: engine.waiting(), limit: queueLimit },
      };
    },
  };
}
