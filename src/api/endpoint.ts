/** The type of an endpoint. A factory creates each endpoint, `app.ts` routes it and `openapi.ts` documents it. */
import type { Context } from 'hono';
import type { z } from 'zod';
import type { embeddingsOperation, Operation } from '../../otel/names.ts';
import type { ChatErrorCode } from '../errors.ts';
import type { ApiEnv } from './request-context.ts';

export interface Endpoint {
  method: 'GET' | 'POST';
  /** Hono's spelling: `/v1/models/:id`. */
  path: string;
  summary: string;
  /**
   * `anyone`: no check. `open`: refuses pages of other sites. `key`: requires an API key if keys are set, else as `open`.
   * `metrics`: requires METRICS_TOKEN, if it is set, from callers beyond this machine, else as `open`. `console`: as `metrics`.
   * `console-write`: as `console`, and refuses callers beyond this machine if METRICS_TOKEN is not set.
   */
  access: 'anyone' | 'open' | 'key' | 'metrics' | 'console' | 'console-write';
  /** Set on routes that use the model: each request is counted as a generation of this kind, or as an embeddings request. */
  operation?: Operation | typeof embeddingsOperation;
  /** `schema`: JSON Schema; any string by default. */
  parameters?: Record<
    string,
    { in: 'path' | 'query'; description: string; schema?: object; example: string | number }
  >;
  request?: {
    name: string;
    schema: z.ZodObject;
    /** A test sends each example to the real service. */
    examples: Record<string, object>;
  };
  /** Status of a successful answer; 200 by default. */
  success?: 201;
  /** Another status with the same body. */
  alsoStatus?: 503;
  /**
   * By media type. `isStream`: server-sent events; `schema` is that of one event's data.
   */
  answers: Record<
    string,
    { name?: string; schema: z.ZodType; example: unknown; isStream?: boolean }
  >;
  errors: readonly ChatErrorCode[];
  /** The form of its errors, where it is not OpenAI's. */
  errorForm?: 'anthropic';
  handle(c: Context<ApiEnv>): Response | Promise<Response>;
}

/** The answers of an endpoint that only sends JSON. `name` is the schema's name in the OpenAPI document. */
export function answersJson<T extends z.ZodType>(
  name: string,
  schema: T,
  example: z.input<T>,
): Endpoint['answers'] {
  return { 'application/json': { name, schema, example } };
}
