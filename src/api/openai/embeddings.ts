/** POST /v1/embeddings: OpenAI's embeddings, vectors of unit length. Off unless CHAT_EMBEDDINGS is true. */
import { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import { ChatError } from '../../errors.ts';
import { refuseField, type ReadBody } from '../body.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { HarmlessFields, Tokens } from './fields.ts';
import { limitRequest, type Limits } from '../run/request-limits.ts';
import { checkModel, type ServedModel } from '../served-model.ts';

const Text = z.string().min(1);

const EmbeddingRequest = z.object({
  // OpenAI's limit.
  input: z.union([Text, z.array(Text).min(1).max(2048), Tokens, z.array(Tokens).min(1).max(2048)], {
    error: 'expected a string, an array of token ids, or an array of either',
  }),
  model: z.string().max(256).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: HarmlessFields.shape.user,
});

const EmbeddingList = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.int(),
      /** An array of numbers, or little-endian 32-bit floats as base64. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
});

interface EmbeddingDeps {
  engine: Pick<Engine, 'embed' | 'status'>;
  model: ServedModel;
  limits: Limits;
  readBody: ReadBody;
  /** CHAT_EMBEDDINGS: whether the endpoint answers. */
  embeddings: boolean;
}

export function createEmbeddings(deps: EmbeddingDeps): Endpoint {
  const model = deps.model.id;
  return {
    method: 'POST',
    path: '/v1/embeddings',
    summary: 'Embed texts (CHAT_EMBEDDINGS=true)',
    access: 'key',
    operation: 'embeddings',
    request: {
      name: 'EmbeddingRequest',
      schema: EmbeddingRequest,
      examples: {
        one: { model, input: 'Hello' },
        tokens: { model, input: [40, 41] },
        several: { model, input: ['Hello', 'Good day'], encoding_format: 'base64' },
      },
    },
    answers: answersJson('EmbeddingList', EmbeddingList, {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.6, -0.8] }],
      model,
      usage: { prompt_tokens: 3, total_tokens: 3 },
    }),
    errors: [
      'bad_request',
      'unauthorized',
      'model_not_found',
      'context_overflow',
      'too_large',
      'queue_full',
      'not_ready',
      'engine_error',
      'engine_exit',
      'deadline',
      'shutdown',
    ],
    async handle(c) {
      const body = await deps.readBody(c, EmbeddingRequest);
      if (!deps.embeddings) {
        throw new ChatError(
          'bad_request',
          'Embeddings are disabled. Start the service with CHAT_EMBEDDINGS=true.',
        );
      }
      checkModel(deps.model, body.model);
      checkDimensions(deps.engine, body.dimensions);
      const encodingFormat = body.encoding_format ?? 'float';
      const account = c.get('embeddings');
      account.admitted({ model, requestedModel: body.model ?? model, encodingFormat });
      using limits = limitRequest(c, deps.limits);
      let tokens = 0;
      let dimensions = 0;
      const data: string[] = [];
      // One at a time, so that a long list does not delay running chats.
      for (const [index, text] of toInputs(body.input).entries()) {
        const { vector, inputTokens } = await deps.engine.embed(text, { signal: limits.signal });
        tokens += inputTokens;
        dimensions = vector.length;
        const embedding = encodingFormat === 'base64' ? toBase64(vector) : [...vector];
        // JSON now: that of 2,048 vectors at once takes half a second.
        data.push(JSON.stringify({ object: 'embedding', index, embedding }));
      }
      account.complete({ inputTokens: tokens, dimensions });
      const usage = { prompt_tokens: tokens, total_tokens: tokens };
      const rest = JSON.stringify({ model, usage }).slice(1);
      const json = { 'content-type': 'application/json' };
      return c.body(`{"object":"list","data":[${data.join(',')}],${rest}`, 200, json);
    },
  };
}

function toInputs(
  given: z.infer<typeof EmbeddingRequest>['input'],
): readonly (string | readonly number[])[] {
  if (typeof given === 'string') return [given];
  const isTokens = typeof given[0] === 'number';
  return isTokens ? [given as number[]] : (given as string[] | number[][]);
}

function checkDimensions(engine: EmbeddingDeps['engine'], wanted: number | null | undefined): void {
  const status = engine.status();
  const size = status.state === 'ready' ? status.facts.embeddingDimensions : undefined;
  if (typeof wanted !== 'number' || size === undefined || wanted === size) return;
  throw refuseField(
    'dimensions',
    `expected ${size}, the size of this model's vectors, got ${wanted}`,
  );
}

function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes.toString('base64');
}
