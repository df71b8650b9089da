/** Request fields shared by several endpoints: sampling, format, streaming, and fields that are accepted and ignored. */
import { z } from 'zod';
import type { JsonFormat, Sampling } from '../../engine/engine.ts';
import { refuseField } from '../body.ts';

// From generation_config.json of Qwen2.5-0.5B-Instruct.
const defaults = { temperature: 0.7, topP: 0.8, topK: 20, minP: 0 } as const;

/** A field without an effect. It accepts only its neutral value, so that no other value is silently ignored. */
export const only = <T extends string | number | boolean>(value: T, why: string) =>
  z.literal(value, { error: `expected ${JSON.stringify(value)} (${why})` }).nullish();

/** A field that is not supported. */
export const unsupported = (why: string) => z.null({ error: `not supported (${why})` }).optional();

export const ignored = z.unknown().optional().meta({ description: 'Accepted and ignored.' });

const Stop = z.string().max(256);
// Four are OpenAI's limit; evaluations with lm-eval send more.
export const Stops = z.array(Stop).max(16);
const penalty = z.number().min(-2).max(2).nullish();

export const SamplingFields = z.object({
  max_tokens: z
    .int()
    .min(1)
    .nullish()
    .meta({ description: 'Without a limit an answer may fill the context.' }),
  max_completion_tokens: z
    .int()
    .min(1)
    .nullish()
    .meta({ description: 'As max_tokens; takes precedence.' }),
  temperature: z.number().min(0).max(2).nullish().meta({ default: defaults.temperature }),
  top_p: z.number().min(0).max(1).nullish().meta({ default: defaults.topP }),
  top_k: z.int().min(0).max(1_000_000).nullish().meta({ default: defaults.topK }),
  min_p: z.number().min(0).max(1).nullish().meta({ default: defaults.minP }),
  // Any integer: others take 64 bits, of which a JSON number keeps 53, so that a limit would not be exact.
  seed: z
    .number()
    .refine((seed) => Number.isInteger(seed), { error: 'expected int' })
    .meta({ type: 'integer' })
    .nullish()
    .meta({ description: 'The same seed gives the same answer. Random by default.' }),
  stop: z.union([Stop, Stops], { error: 'expected a string or up to 16 strings' }).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  // Logits are divided by the temperature: with a much smaller value they become infinite in 32 bits.
  repeat_penalty: z.number().min(0.01).max(2).nullish(),
  logit_bias: z
    .record(
      z.string().regex(/^\d{1,9}$/, { error: 'expected token ids as keys' }),
      z.number().min(-100).max(100),
    )
    .nullish(),
});

const JsonSchemaFormat = z.object({
  // OpenAI requires it; llama-server does not.
  name: z.string().max(64).nullish(),
  description: z.string().nullish(),
  schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
});

export const ResponseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({
      type: z.literal('json_object'),
      schema: z
        .record(z.string(), z.unknown())
        .nullish()
        .meta({ description: 'As in llama-server: the schema of the answer.' }),
    }),
    z.object({ type: z.literal('json_schema'), json_schema: JsonSchemaFormat }),
  ],
  { error: 'expected a "type" of "text", "json_object" or "json_schema"' },
);

// A body of 1 MB has fewer than 50,000 JSON values.
export const Tokens = z.array(z.int().min(0)).min(1);

// OpenAI's limit.
const maxChoices = 128;

/** @throws ChatError `bad_request` for more answers than one request may have. */
export function checkChoices(prompts: number, n: number | null | undefined): void {
  const choices = prompts * (n ?? 1);
  if (choices <= maxChoices) return;
  throw refuseField('n', `expected at most ${maxChoices} answers to all prompts, got ${choices}`);
}

export const AnswerFields = z.object({
  model: z.string().max(256).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  response_format: ResponseFormat.nullish(),
  n: z.int().min(1).max(maxChoices).nullish().meta({
    description: 'Answers to each prompt. A seed is that of the first; each other adds 1.',
  }),
});

/** Fields of llama-server that add facts to the chunks of a stream. */
export const ReportFields = z.object({
  timings_per_token: z.boolean().nullish().meta({
    description:
      "As in llama-server: each chunk has timings; those of the answer have llama-server's too.",
  }),
  return_progress: z.boolean().nullish().meta({
    description:
      'As in llama-server: a stream has chunks with prompt_progress while the prompt is evaluated.',
  }),
});

/** Fields of OpenAI's platform. A client sees no difference when they are ignored. */
export const HarmlessFields = z.object({
  user: ignored,
  metadata: ignored,
  store: ignored,
  service_tier: ignored,
  safety_identifier: ignored,
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
  prediction: ignored,
  reasoning_effort: ignored,
  verbosity: ignored,
});

export function toSampling(fields: z.infer<typeof SamplingFields>): Sampling {
  const stop = fields.stop ?? [];
  const bias = Object.entries(fields.logit_bias ?? {});
  return {
    maxTokens: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
    temperature: fields.temperature ?? defaults.temperature,
    topP: fields.top_p ?? defaults.topP,
    topK: fields.top_k ?? defaults.topK,
    minP: fields.min_p ?? defaults.minP,
    // Larger numbers are multiples of 1,024, so that the seeds of several answers would be one.
    seed: typeof fields.seed === 'number' ? fields.seed % 2 ** 52 : undefined,
    stop: [stop].flat().filter((text) => text !== ''),
    ...(fields.presence_penalty ? { presencePenalty: fields.presence_penalty } : {}),
    ...(fields.frequency_penalty ? { frequencyPenalty: fields.frequency_penalty } : {}),
    ...(fields.repeat_penalty ? { repeatPenalty: fields.repeat_penalty } : {}),
    ...(bias.length > 0 ? { logitBias: bias.map(([id, value]) => [Number(id), value]) } : {}),
  };
}

export function toFormat(
  format: z.infer<typeof ResponseFormat> | null | undefined,
): JsonFormat | undefined {
  if (format?.type === 'json_object') {
    const { schema } = format;
    return schema ? { kind: 'json_schema', schema, strict: true } : { kind: 'json_object' };
  }
  if (format?.type !== 'json_schema') return undefined;
  const { schema, strict } = format.json_schema;
  return { kind: 'json_schema', schema, strict: strict === true };
}
