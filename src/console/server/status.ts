/** GET /api/status: the model, the state of the engine, the queue, and links to the rest of the stack. */
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import { countWaiting } from '../../api/routes/health.ts';
import { service } from '../../api/routes/version.ts';
import type { ServedModel } from '../../api/served-model.ts';
import type { Config } from '../../config.ts';
import type { Engine } from '../../engine/engine.ts';
import { isLogDiskFull } from '../../kit/free-space.ts';
import { Status } from './answers.ts';

export interface StatusDeps extends Pick<Config, 'links' | 'queueLimit'> {
  engine: Pick<Engine, 'status' | 'pending'>;
  model: ServedModel;
  draining: () => boolean;
  /** Whether /v1 requires an API key. */
  needsKey: boolean;
}

export function createStatus(deps: StatusDeps): Endpoint {
  const { name, version } = service;
  const { queueLimit, links } = deps;
  return {
    method: 'GET',
    path: '/api/status',
    summary: 'Model, state, queue, and links to the rest of the stack',
    access: 'console',
    answers: answersJson('Status', Status, {
      service: { name, version },
      model: { id: deps.model.id, title: 'Qwen2.5-0.5B-Instruct', demo: false },
      state: 'ready',
      restarts: 0,
      sequences: 4,
      contextTokens: 4096,
      queue: { depth: 0, limit: 64 },
      needsKey: false,
      links: { prometheus: 'http://127.0.0.1:9090' },
    }),
    errors: ['unauthorized', 'forbidden'],
    handle(c) {
      const status = deps.engine.status();
      const facts = status.state === 'ready' ? status.facts : undefined;
      const { id, title, demo, notice } = deps.model;
      return c.json({
        service: { name, version },
        model: { id, title, demo, ...(notice === undefined ? {} : { notice }) },
        state: deps.draining() ? 'draining' : status.state,
        ...(status.state === 'failed' && { failure: status.reason }),
        restarts: status.restarts,
        ...(facts && { sequences: facts.sequences, contextTokens: facts.contextTokens }),
        queue: { depth: countWaiting(deps.engine), limit: queueLimit },
        needsKey: deps.needsKey,
        ...(isLogDiskFull() && { logDiskFull: true }),
        links,
      } satisfies Status);
    },
  };
}
