/** What an endpoint is: app.ts routes it, openapi.ts documents it. Each is made by a factory that takes only what it needs. */
import type { Context } from 'hono';
import type { z } from 'zod';
import type { Operation } from '../../otel/names.ts';
import type { ChatErrorCode } from '../errors.ts';
import type { ApiEnv } from './request-context.ts';

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
