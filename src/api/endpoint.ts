/** What an endpoint is to the rest of the service: app.ts routes it, openapi.ts documents it. One factory a file makes one. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { z } from 'zod';
import type { InferenceTelemetry } from '../../otel/generation/inference.ts';
import type { Operation } from '../../otel/names.ts';
import type { Telemetry } from '../../otel/sdk.ts';
import type { Links, Peers } from '../config.ts';
import type { Engine } from '../engine/engine.ts';
import type { ChatErrorCode } from '../errors.ts';
import type { Account } from './run/accounting.ts';
import type { ReadBody } from './body.ts';
import type { Card } from './openai/models.ts';

export interface Log {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface ApiDeps {
  engine: Engine;
  inference: InferenceTelemetry;
  telemetry: Pick<Telemetry, 'scrape' | 'traces'>;
  log: Log;
  readBody: ReadBody;
  /** The id under which the model is served, and what else it may be called. */
  model: { id: string; aliases: readonly string[] };
  /** Whether a request may name any model: CHAT_ANY_MODEL. */
  anyModel: boolean;
  /** Whether /v1/embeddings answers: CHAT_EMBEDDINGS. */
  embeddings: boolean;
  deadlineSeconds: number;
  /** Aborted, with a ChatError `shutdown`, when the grace period is over. */
  shutdown: AbortSignal;
  draining: () => boolean;
  /** What GET /v1/models tells of the model. */
  modelCard: () => Card;
  pace: Pace;
  /** Whether clients are asked for an API key. */
  needsKey: boolean;
  console: ConsoleOptions;
}

/** What the console's endpoints know of the world around the service. */
export interface ConsoleOptions {
  /** CHAT_HOST: the name or address that the service listens on. */
  host: string;
  peers: Peers;
  links: Links;
  /** For reading what the notifier delivered. */
  notifierToken: string | undefined;
  /** CHAT_QUEUE_LIMIT. */
  queueLimit: number;
  /** The folder with the built page. */
  bundleDir: string;
}

/** How long a stream is silent while it waits, and how long it waits for a reader. */
export interface Pace {
  /** Headers are held this long for a generation to start, so that what is wrong by then has a status of its own. */
  keepAliveMillis: number;
  /** A reader that takes nothing for this long is given up. */
  stallMillis: number;
}

/** Proxies and clients give up a silent connection after 10 s and more. */
export const defaultPace: Pace = { keepAliveMillis: 5000, stallMillis: 60_000 };

export type ApiEnv = {
  Bindings: Partial<HttpBindings>;
  Variables: RequestIdVariables & {
    /** Whom the queue is fair to: an opaque id of the API key, or `anonymous`. */
    client: string;
    /** On routes that generate. */
    account: Account;
  };
};

export interface Endpoint {
  method: 'GET' | 'POST';
  /** Hono's spelling: `/v1/models/:id`. */
  path: string;
  summary: string;
  /**
   * `key` asks for an API key where keys are set, `metrics` for METRICS_TOKEN from beyond loopback. `console` is `metrics` for
   * pages of our own alone, and `console-write` lets nobody from beyond loopback in without the token.
   */
  access: 'open' | 'key' | 'metrics' | 'console' | 'console-write';
  /** Every request is accounted as a generation of this kind. */
  operation?: Operation;
  parameters?: Record<string, { in: 'path' | 'query'; description: string; example: string }>;
  request?: {
    name: string;
    schema: z.ZodObject;
    /** Each is sent to the real service by a test. */
    examples: Record<string, object>;
  };
  /** The status of an answer that is no error; 200 by default. */
  success?: 201;
  /** Another status that an answer of the same shape may have. */
  alsoStatus?: 503;
  /** By media type. */
  answers: Record<string, { name?: string; schema: z.ZodType; example: unknown }>;
  errors: readonly ChatErrorCode[];
  handle(c: Context<ApiEnv>): Response | Promise<Response>;
}
