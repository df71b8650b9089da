/** GET /api/status: what runs here and how it is, and where its neighbours are; the first thing that the console asks. */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Peers } from '../../config.ts';
import type { ApiDeps, Endpoint } from '../endpoint.ts';
import { service } from '../version.ts';

const peerNames = ['prometheus', 'grafana', 'alertmanager', 'jaeger', 'notifier'] as const;

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
  /** Addresses that a browser on this machine can open. */
  links: z.partialRecord(z.enum(peerNames), z.string()),
});

export function createStatus(deps: ApiDeps): Endpoint {
  const { name, version } = service;
  const { queueLimit, peers } = deps.console;
  const links = toLinks(peers);
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
      const { id, title, demo, notice } = deps.modelCard();
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

/** A bare name such as `prometheus` is a container's, which no browser can look up. */
function toLinks(peers: Peers): z.infer<typeof Status>['links'] {
  const links: z.infer<typeof Status>['links'] = {};
  for (const peer of peerNames) {
    const url = peers[peer];
    const host = url === undefined ? '' : new URL(url).hostname;
    const isPublic = host === 'localhost' || host.includes('.') || isIP(host.slice(1, -1)) === 6;
    if (url !== undefined && isPublic) links[peer] = url;
  }
  return links;
}
