/** GET /healthz, /readyz and /metrics, for load balancers and Prometheus. */
import { z } from 'zod';
import { answerScrape } from '../../../otel/prometheus/exporter.ts';
import type { Telemetry } from '../../../otel/sdk.ts';
import { serviceStates, type ServiceState } from '../../../otel/names.ts';
import type { Engine, EngineStatus } from '../../engine/engine.ts';
import { ChatError, createShutdownError } from '../../errors.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { ModelCard, toCard } from '../openai/models.ts';
import type { ServedModel } from '../served-model.ts';

const Health = z.object({
  status: z.literal('ok'),
  engine: z.enum(serviceStates).optional(),
  /** In place of `engine`, in front of the server of BACKEND_URL. */
  backend: z.enum(serviceStates).optional(),
});
const ServerHealth = z.object({ status: z.literal('ok') });
const Readiness = z.object({
  status: z.enum(serviceStates),
  /**
   * Why the model cannot be loaded, in state `failed`; how the engine process ended, in state `restarting`; why the backend is not
   * ready.
   */
  reason: z.string().optional(),
  /** In front of the server of BACKEND_URL, which has no engine process, threads and queue of ours. */
  backend: z.literal(true).optional(),
  /** Restarts of the engine process. */
  restarts: z.int().optional(),
  /** Threads that decode now, in state `ready`. */
  threads: z.int().optional(),
  /** Requests that wait for a sequence, and how many may. */
  queue: z.object({ depth: z.int(), limit: z.int() }).optional(),
  model: ModelCard,
});

export interface HealthDeps {
  /** The engine, or the server of BACKEND_URL. */
  engine: { status(): { state: ServiceState } };
  draining: () => boolean;
}

/** The answer stays 200 without a model, because a new process would not load it either. `name`: what the state is of. */
export function createHealth(
  { engine, draining }: HealthDeps,
  name: 'engine' | 'backend' = 'engine',
): Endpoint {
  return {
    method: 'GET',
    path: '/healthz',
    summary: `Whether the process is alive; \`${name}\` is the state that /readyz explains`,
    // A load balancer sends any Host, and the answer tells nothing.
    access: 'anyone',
    answers: answersJson('Health', Health, { status: 'ok', [name]: 'ready' }),
    errors: [],
    handle: (c) =>
      c.json({ status: 'ok', [name]: draining() ? 'draining' : engine.status().state }),
  };
}

/** As llama-server's, whose clients wait for it before their first request. */
export function createServerHealth({ engine, draining }: HealthDeps): Endpoint {
  return {
    method: 'GET',
    path: '/health',
    summary: 'Whether generations are accepted, in the form of llama-server',
    access: 'anyone',
    answers: answersJson('ServerHealth', ServerHealth, { status: 'ok' }),
    errors: ['not_ready', 'shutdown'],
    handle(c) {
      if (draining()) throw createShutdownError();
      if (engine.status().state === 'ready') return c.json({ status: 'ok' });
      const message = 'The model is being loaded. GET /readyz has the state.';
      throw new ChatError('not_ready', message, { retryAfterSeconds: 1 });
    },
  };
}

type ReadinessFacts = Omit<z.infer<typeof Readiness>, 'model'>;

/** What /readyz tells of the engine, or of the server of BACKEND_URL. */
export interface ReadinessSource {
  read: () => ReadinessFacts;
  example: ReadinessFacts;
}

export interface ReadinessDeps extends Pick<HealthDeps, 'draining'> {
  model: ServedModel;
}

export function createReadiness(
  { model, draining }: ReadinessDeps,
  { read, example }: ReadinessSource,
): Endpoint {
  return {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the service accepts generations; if not, 503 with the same body',
    access: 'open',
    alsoStatus: 503,
    answers: answersJson('Readiness', Readiness, { ...example, model: toCard(model) }),
    errors: [],
    handle(c) {
      const facts = read();
      const status = draining() ? 'draining' : facts.status;
      return c.json({ ...facts, status, model: toCard(model) }, status === 'ready' ? 200 : 503);
    },
  };
}

export interface EngineDeps {
  engine: Pick<Engine, 'status' | 'waiting'>;
  queueLimit: number;
}

export function readinessOfEngine({ engine, queueLimit }: EngineDeps): ReadinessSource {
  return {
    example: { status: 'ready', restarts: 0, threads: 2, queue: { depth: 0, limit: 64 } },
    read() {
      const status = engine.status();
      const reason = reasonOf(status);
      const threads = status.state === 'ready' ? status.facts.threads : undefined;
      return {
        status: status.state,
        ...(reason && { reason }),
        restarts: status.restarts,
        ...(threads && { threads }),
        queue: { depth: engine.waiting(), limit: queueLimit },
      };
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
