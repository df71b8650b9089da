/** GET /v1/models and /v1/models/{id}. */
import { z } from 'zod';
import type { ChatErrorCode } from '../../errors.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { findModel, type ServedModel } from '../served-model.ts';

export const ModelCard = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  title: z.string(),
  /** Whether this is the built-in demo model. */
  demo: z.boolean(),
  notice: z.string().optional(),
});

const ModelList = z.object({ object: z.literal('list'), data: z.array(ModelCard) });

const errors = ['unauthorized'] as const satisfies ChatErrorCode[];

/** @returns a card with OpenAI's four fields and three of our own. */
export function toCard({ id, title, demo, notice }: ServedModel): z.infer<typeof ModelCard> {
  const openai = { id, object: 'model', created: 0, owned_by: 'llamascope' } as const;
  return { ...openai, title, demo, ...(notice === undefined ? {} : { notice }) };
}

export function createModelList(model: ServedModel): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models',
    summary: 'The served model, as a list',
    access: 'key',
    answers: answersJson('ModelList', ModelList, { object: 'list', data: [toCard(model)] }),
    errors,
    handle: (c) => c.json({ object: 'list', data: [toCard(model)] }),
  };
}

export function createModel(model: ServedModel): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models/:id',
    summary: 'The served model, by its id or file name',
    access: 'key',
    parameters: {
      id: { in: 'path', description: 'The id or file name of the model.', example: model.id },
    },
    answers: answersJson('Model', ModelCard, toCard(model)),
    errors: [...errors, 'model_not_found'],
    handle(c) {
      findModel(model, c.req.param('id')!);
      return c.json(toCard(model));
    },
  };
}
