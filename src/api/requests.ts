/** What a request body may hold, and how it is read: JSON, checked by a schema, told in one sentence when wrong. */
import type { Context } from 'hono';
import { z } from 'zod';
import type { Sampling } from '../engine/engine.ts';
import { ChatError } from '../errors.ts';

/** Far above any prompt that fits a small model's context, far below what tokenising would stall on. */
export const maxBodyBytes = 1024 * 1024;

// The sampling that Qwen2.5-0.5B-Instruct's generation_config.json asks for.
const defaults = { temperature: 0.7, topP: 0.8, topK: 20, minP: 0 } as const;

const TextPart = z.object({ type: z.literal('text'), text: z.string() });
const Content = z.union([z.string(), z.array(TextPart).min(1)], {
  error: 'expected a string or an array of {"type":"text","text":"..."} parts',
});

const Message = z
  .object({ role: z.enum(['system', 'developer', 'user', 'assistant']), content: Content })
  .transform(({ role, content }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content: typeof content === 'string' ? content : content.map((part) => part.text).join(''),
  }));

export const Messages = z.array(Message).min(1);

export const SamplingFields = z.object({
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().min(0).max(4_294_967_295).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
});

export const StreamFields = z.object({
  model: z.string().optional(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
});

export function toSampling(fields: z.infer<typeof SamplingFields>): Sampling {
  const stop = fields.stop ?? [];
  return {
    maxTokens: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
    temperature: fields.temperature ?? defaults.temperature,
    topP: fields.top_p ?? defaults.topP,
    topK: fields.top_k ?? defaults.topK,
    minP: fields.min_p ?? defaults.minP,
    seed: fields.seed ?? undefined,
    stop: typeof stop === 'string' ? [stop] : stop,
  };
}

/** OpenAI fields that this service does not serve yet, with the values that mean "off". */
const unsupported: Record<string, readonly unknown[]> = {
  n: [1],
  tools: [[]],
  tool_choice: ['none', 'auto'],
  functions: [[]],
  response_format: [{ type: 'text' }],
  logprobs: [false],
  top_logprobs: [0],
  logit_bias: [{}],
  presence_penalty: [0],
  frequency_penalty: [0],
  audio: [],
  modalities: [['text']],
};

/** @throws ChatError `bad_request` that names the field, what was expected and what came; never the text itself. */
export async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const body = parseJson(await c.req.text());
  for (const [field, off] of Object.entries(unsupported)) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    if (off.some((harmless) => JSON.stringify(harmless) === JSON.stringify(value))) continue;
    throw new ChatError('bad_request', `${field}: not supported by this service; leave it out.`, {
      param: field,
    });
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const param = issue.path.join('.');
  const expectation = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  throw new ChatError(
    'bad_request',
    `${param === '' ? 'body' : param}: ${expectation}, got ${describe(valueAt(body, issue.path))}.`,
    { param },
  );
}

function parseJson(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ChatError(
      'bad_request',
      `body: expected JSON, got ${text.length} characters that are not. Check quotes and commas.`,
    );
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>;
  }
  throw new ChatError('bad_request', `body: expected a JSON object, got ${describe(body)}.`);
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    body,
  );
}

/** A value as an error may show it: its kind and size, but no text that a person wrote. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}
