/** GET /healthz, /readyz and /metrics, for load balancers and Prometheus. */
import { z } from 'zod';
import { answerScrape } from '../../../otel/prometheus/exporter.ts';
import type { Telemetry } from '../../../otel/sdk.ts';
import { serviceStates } from '../../../otel/names.ts';
import type { Engine, EngineStatus } from '../../engine/engine.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { ModelCard, toCard } from '../openai/models.ts';
import type { ServedModel } from '../served-model.ts';

const Health = z.object({ status: z.literal('ok'), engine: z.enum(serviceStates) });
const Readiness = z.object({
  status: z.enum(serviceStates),
  /** Why the model cannot be loaded, in state `failed`; how the engine process ended, in state `restarting`. */
  reason: z.string().optional(),
  /** Restarts of the engine process. */
  restarts: z.int(),
  /** Threads that decode now, in state `ready`. */
  threads: z.int().optional(),
  model: ModelCard,
});

export interface HealthDeps {
  engine: Pick<Engine, 'status'>;
  draining: () => boolean;
}

/** The answer stays 200 without a model, because a new process would not load it either. */
export function createHealth({ engine, draining }: HealthDeps): Endpoint {
  return {
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the process is alive; `engine` is the state that /readyz explains',
    access: 'open',
    answers: answersJson('Health', Health, { status: 'ok', engine: 'ready' }),
    errors: [],
    handle: (c) =>
      c.json({ status: 'ok', engine: draining() ? 'draining' : engine.status().state }),
  };
}

export function createReadiness({
  engine,
  model,
  draining,
}: HealthDeps & { model: ServedModel }): Endpoint {
  return {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the service accepts generations; if not, 503 with the same body',
    access: 'open',
    alsoStatus: 503,
    answers: answersJson('Readiness', Readiness, {
      status: 'ready',
      restarts: 0,
      threads: 2,
      model: toCard(model),
    }),
    errors: [],
    handle(c) {
      const engineStatus = engine.status();
      const status = draining() ? 'draining' : engineStatus.state;
      const reason = reasonOf(engineStatus);
      const threads = engineStatus.state === 'ready' ? engineStatus.facts.threads : undefined;
      const body = {
        status,
        ...(reason && { reason }),
        restarts: engineStatus.restarts,
        ...(threads && { threads }),
      };
      return c.json({ ...body, model: toCard(model) }, status === 'ready' ? 200 : 503);
    },
  };
}

function reasonOf(status: EngineStatus): string | undefined {
  if (status.state === 'ready') return undefined;
  return status.state === 'failed' ? status.reason : status.lastExit;
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
