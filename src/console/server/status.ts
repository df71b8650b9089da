/** GET /api/status: what runs here and how it is, and where its neighbours are; the first thing that the console asks. */
import { z } from 'zod';
import type { Endpoint } from '../../api/endpoint.ts';
import { service } from '../../api/routes/version.ts';
import type { ServedModel } from '../../api/served-model.ts';
import type { Links } from '../../config.ts';
import type { Engine } from '../../engine/engine.ts';

const linkNames = ['prometheus', 'grafana', 'alertmanager', 'jaeger', 'notifier'] as const;

const Status = z.object({
  service: z.object({ name: z.string(), version: z.string() }),
  model: z.object({
    id: z.string(),
    title: z.string(),
    demo: z.boolean(),
    notice: z.string().optional(),
  }),
  state: z.enum(['loading', 'ready', 'restarting', 'stopped', 'draining']),
  /** How often the engine process was started again. */
  restarts: z.int(),
  /** How many answers run at once, and how many tokens each of them holds; known when the model is loaded. */
  sequences: z.int().optional(),
  contextTokens: z.int().optional(),
  queue: z.object({ depth: z.int(), limit: z.int() }),
  /** Whether /v1 asks for an API key. */
  needsKey: z.boolean(),
  /** Addresses for a browser. */
  links: z.partialRecord(z.enum(linkNames), z.string().optional()),
});

export interface StatusDeps {
  engine: Pick<Engine, 'status' | 'pending'>;
  model: ServedModel;
  draining: () => boolean;
  /** Whether clients must send an API key. */
  needsKey: boolean;
  links: Links;
  /** CHAT_QUEUE_LIMIT. */
  queueLimit: number;
}

export function createStatus(deps: StatusDeps): Endpoint {
  const { name, version } = service;
  const { queueLimit, links } = deps;
  return {
    method: 'GET',
    path: '/api/status',
    summary: 'What runs here, how it is, and where its neighbours are',
    access: 'console',
    answers: {
      'application/json': {
        name: 'Status',
        schema: Status,
        example: {
          service: { name, version },
          model: { id: deps.model.id, title: 'Qwen2.5-0.5B-Instruct', demo: false },
          state: 'ready',
          restarts: 0,
          sequences: 4,
          contextTokens: 4096,
          queue: { depth: 0, limit: 64 },
          needsKey: false,
          links: { prometheus: 'http://127.0.0.1:9090' },
        } satisfies z.infer<typeof Status>,
      },
    },
    errors: ['unauthorized', 'forbidden'],
    handle(c) {
      const status = deps.engine.status();
      const facts = status.state === 'ready' ? status.facts : undefined;
      const { id, title, demo, notice } = deps.model;
      // What runs takes a sequence each; whatever is more than that waits.
      const waiting = Math.max(0, deps.engine.pending() - (facts?.sequences ?? 0));
      return c.json({
        service: { name, version },
        model: { id, title, demo, ...(notice === undefined ? {} : { notice }) },
        state: deps.draining() ? 'draining' : status.state,
        restarts: status.restarts,
        ...(facts && { sequences: facts.sequences, contextTokens: facts.contextTokens }),
        queue: { depth: waiting, limit: queueLimit },
        needsKey: deps.needsKey,
        links,
      } satisfies z.infer<typeof Status>);
    },
  };
}
