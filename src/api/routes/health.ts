/** GET /healthz, /readyz and /metrics, for load balancers and Prometheus. */
import { z } from 'zod';
import { answerScrape } from '../../../otel/prometheus/scrape.ts';
import type { Telemetry } from '../../../otel/sdk.ts';
import type { Engine } from '../../engine/engine.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { ModelCard, toCard } from '../openai/models.ts';
import type { ServedModel } from '../served-model.ts';

const Health = z.object({ status: z.literal('ok') });
const Readiness = z.object({
  status: z.enum(['loading', 'ready', 'restarting', 'stopped', 'draining']),
  model: ModelCard,
});

export function createHealth(): Endpoint {
  return {
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the process is alive',
    access: 'open',
    answers: answersJson('Health', Health, { status: 'ok' }),
    errors: [],
    handle: (c) => c.json({ status: 'ok' }),
  };
}

interface ReadinessDeps {
  engine: Pick<Engine, 'status'>;
  model: ServedModel;
  draining: () => boolean;
}

export function createReadiness({ engine, model, draining }: ReadinessDeps): Endpoint {
  return {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the service accepts generations; if not, 503 with the same body',
    access: 'open',
    alsoStatus: 503,
    answers: answersJson('Readiness', Readiness, { status: 'ready', model: toCard(model) }),
    errors: [],
    handle(c) {
      const { state } = engine.status();
      const ready = state === 'ready' && !draining();
      const status = draining() ? 'draining' : state;
      return c.json({ status, model: toCard(model) }, ready ? 200 : 503);
    },
  };
}

export function createMetrics(telemetry: Pick<Telemetry, 'scrape'>): Endpoint {
  return {
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format, or OpenMetrics if Accept prefers it',
    access: 'metrics',
    answers: { 'text/plain': { schema: z.string(), example: 'inference_ready 1\n' } },
    errors: ['unauthorized'],
    handle: (c) => answerScrape(telemetry, c.req.raw.headers),
  };
}
