/** GET /v1/models and /v1/models/{id}, and which names a request may call the model by. */
import { z } from 'zod';
import { ChatError, type ChatErrorCode } from '../../errors.ts';
import type { ApiDeps, Endpoint } from '../endpoint.ts';

export const ModelCard = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  title: z.string(),
  /** Whether the built-in model serves, which says one sentence. */
  demo: z.boolean(),
  notice: z.string().optional(),
});

export type Card = z.infer<typeof ModelCard>;

const ModelList = z.object({ object: z.literal('list'), data: z.array(ModelCard) });

const errors = ['unauthorized'] as const satisfies ChatErrorCode[];

/** @throws ChatError `model_not_found` */
export function checkModel(deps: ApiDeps, requested: string | null | undefined): void {
  const { id, aliases } = deps.model;
  if (requested === undefined || requested === null || deps.anyModel) return;
  if (requested === id || aliases.includes(requested)) return;
  throw new ChatError(
    'model_not_found',
    `model: expected "${id}", the one that is served here (see GET /v1/models), or nothing; got another.`,
    { param: 'model' },
  );
}

export function createModelList(deps: ApiDeps): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models',
    summary: 'The model that is served',
    access: 'key',
    answers: {
      'application/json': {
        name: 'ModelList',
        schema: ModelList,
        example: { object: 'list', data: [exampleCard(deps)] },
      },
    },
    errors,
    handle: (c) => c.json({ object: 'list', data: [deps.modelCard()] }),
  };
}

export function createModel(deps: ApiDeps): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models/:id',
    summary: 'One model, by its id or its file name',
    access: 'key',
    parameters: {
      id: { in: 'path', description: 'A name of the model.', example: deps.model.id },
    },
    answers: {
      'application/json': { name: 'Model', schema: ModelCard, example: exampleCard(deps) },
    },
    errors: [...errors, 'model_not_found'],
    handle(c) {
      checkModel(deps, c.req.param('id'));
      return c.json(deps.modelCard());
    },
  };
}

export function exampleCard(deps: ApiDeps): Card {
  const title = 'Qwen2.5-0.5B-Instruct';
  const card = { object: 'model', created: 0, owned_by: 'llamascope' } as const;
  return { id: deps.model.id, ...card, title, demo: false };
}
