/**
 * Fields of other servers that constrain an answer. vLLM's and llama-server's schemas are served; any other field is refused, because an
 * answer that ignores a constraint is wrong and looks right.
 */
import { z } from 'zod';
import type { JsonFormat } from '../../engine/engine.ts';
import { refuseField } from '../body.ts';

const Schema = z.record(z.string(), z.unknown());
const useFormat = 'use response_format with a JSON schema';
const useStop = 'use stop or logit_bias';

const refused = (why: string) => z.null({ error: `not supported (${why})` }).optional();
const neutral = <T extends number | boolean>(value: T, why: string) =>
  z.literal(value, { error: `expected ${String(value)} (not supported; ${why})` }).nullish();
const none = (why: string) =>
  z
    .array(z.unknown())
    .max(0, { error: `not supported (${why})` })
    .nullish();

export const ConstraintFields = z.object({
  json_schema: Schema.nullish().meta({
    description: 'As in llama-server: the schema of the answer.',
  }),
  guided_json: Schema.nullish().meta({ description: 'As in vLLM: the schema of the answer.' }),
  structured_outputs: z
    .strictObject({ json: Schema }, { error: 'expected {"json": <schema>}, the only one served' })
    .nullish()
    .meta({ description: 'As in vLLM.' }),
  guided_choice: refused(useFormat),
  guided_regex: refused(useFormat),
  guided_grammar: refused(useFormat),
  grammar: refused(useFormat),
  min_tokens: neutral(0, 'use logit_bias'),
  ignore_eos: neutral(false, 'use max_tokens'),
  bad_words: none(useStop),
  stop_token_ids: none(useStop),
  allowed_token_ids: none(useStop),
  logits_processors: none('use logit_bias'),
});

const inCompletions = 'use /v1/chat/completions';

/** Fields of llama-server that the streams of other endpoints have no place for. */
export const NoReportFields = z.object({
  timings_per_token: neutral(false, inCompletions),
  return_progress: neutral(false, inCompletions),
});

/** @throws ChatError `bad_request` for a second format. */
export function toConstrained(
  format: JsonFormat | undefined,
  fields: z.infer<typeof ConstraintFields>,
): JsonFormat | undefined {
  const { json_schema, guided_json, structured_outputs } = fields;
  const schemas = { json_schema, guided_json, 'structured_outputs.json': structured_outputs?.json };
  let chosen = format;
  for (const [param, schema] of Object.entries(schemas)) {
    if (!schema) continue;
    if (chosen !== undefined)
      throw refuseField(param, 'expected one format of the answer, got two');
    chosen = { kind: 'json_schema', schema, strict: true };
  }
  return chosen;
}
