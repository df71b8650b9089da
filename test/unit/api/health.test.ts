/** /healthz and /readyz in every state of the service. */
import { expect, test } from 'vitest';
import { stateTexts } from '../../../otel/text.ts';
import {
  createHealth,
  createReadiness,
  readinessOfEngine,
} from '../../../src/api/routes/health.ts';
import type { Endpoint } from '../../../src/api/endpoint.ts';
import type { EngineFacts, EngineStatus } from '../../../src/engine/engine.ts';
import { Hono } from 'hono';

const model = {
  id: 'demo',
  aliases: [],
  strict: false,
  lenientTools: false,
  title: 'Demo',
  demo: true,
};
const line = 'llama_model_load: error loading model: corrupted or incomplete';

function app(status: EngineStatus, draining = false) {
  const deps = {
    engine: { status: () => status, waiting: () => 1 },
    draining: () => draining,
    queueLimit: 64,
  };
  const routes = new Hono();
  const readiness = createReadiness({ ...deps, model }, readinessOfEngine(deps));
  for (const endpoint of [createHealth(deps), readiness] as Endpoint[]) {
    routes.get(endpoint.path, (c) => endpoint.handle(c as never));
  }
  return routes;
}

const ready: EngineStatus = {
  state: 'ready',
  pid: 1,
  facts: { threads: 2, sequences: 4 } as EngineFacts,
  restarts: 2,
};

test.each<[EngineStatus, boolean, number, object]>([
  [{ state: 'loading', pid: 1, restarts: 0 }, false, 503, { status: 'loading', restarts: 0 }],
  [ready, false, 200, { status: 'ready', restarts: 2, threads: 2 }],
  [
    { state: 'restarting', pid: 1, lastExit: 'SIGKILL', restarts: 1 },
    false,
    503,
    { status: 'restarting', reason: 'SIGKILL', restarts: 1 },
  ],
  [
    {
      state: 'failed',
      pid: undefined,
      lastExit: `exit code 1: ${line}`,
      reason: line,
      restarts: 3,
    },
    false,
    503,
    { status: 'failed', reason: line, restarts: 3 },
  ],
  [ready, true, 503, { status: 'draining', restarts: 2, threads: 2 }],
])('%j, draining %s: /readyz answers %i, /healthz 200', async (status, draining, code, body) => {
  const service = app(status, draining);
  const readiness = await service.request('/readyz');
  expect(readiness.status).toBe(code);
  const answer = (await readiness.json()) as {
    status: keyof typeof stateTexts;
    model: object;
    queue: object;
  };
  const { model: card, queue, ...rest } = answer;
  expect(rest).toEqual(body);
  expect(queue).toEqual({ depth: 1, limit: 64 });
  expect(card).toMatchObject({ id: 'demo' });
  const health = await service.request('/healthz');
  expect(health.status).toBe(200);
  expect(await health.json()).toEqual({ status: 'ok', engine: answer.status });
  expect(stateTexts[answer.status]).toBeDefined();
});
