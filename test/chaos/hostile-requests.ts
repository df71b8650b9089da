/**
 * Requests that try to cost others their fair share. Each kind turns genes into a request; a larger `size` costs more until a limit
 * refuses it. Used by hunt.ts.
 */

export interface Genes {
  kind: string;
  /** Of the large part: messages, values, bytes or states. */
  size: number;
  /** Chooses among the forms of a kind. */
  variant: number;
  /** The token whose logit is raised, to lead the model to where sampling costs most; -1 for none. */
  bias: number;
  stream: boolean;
}

export interface HostileRequest {
  path: string;
  body: string;
}

type Body = Record<string, unknown>;
type Kind = (size: number, variant: number) => Body & { path?: string };

const list = <T>(count: number, value: (at: number) => T): T[] =>
  Array.from({ length: Math.max(1, Math.round(count)) }, (_, at) => value(at));
const named = (count: number, value: (at: number) => unknown): Body =>
  Object.fromEntries(list(count, (at) => [`p${at}`, value(at)]));
const pick = <T>(items: readonly T[], variant: number): T => items[variant % items.length]!;
const fill = (text: string, bytes: number): string =>
  text.repeat(Math.max(1, Math.ceil(bytes / text.length)));
const character = (at: number): string => String.fromCodePoint(0x4e00 + (at % 20_000));
const user = (content: unknown) => ({ role: 'user', content });

const unicode = [
  'a',
  ' ',
  '\n',
  '.',
  '1',
  '<|im_end|>',
  '<|',
  '\u0301',
  '👩‍🚀',
  '\uE000\uF8FF',
  '你好，',
  'ـ',
  "'s",
  '\u0000',
  '�',
  'word ',
  '{"a":',
] as const;

/** Schemas by what is large in them. */
const schemas: ((size: number) => unknown)[] = [
  (size) => ({ enum: list(size, (at) => `value ${(at * 7919) % size}`) }),
  (size) => ({ enum: list(size, character) }),
  (size) => ({ allOf: list(2, () => ({ enum: list(size, (at) => `v${at}`) })) }),
  (size) => ({ enum: list(size, (at) => `v${at}`), pattern: 'v.*[0-9].{6}$' }),
  (size) => ({ type: 'object', properties: named(size, () => ({ type: 'string' })) }),
  (size) => ({
    type: 'object',
    properties: named(size, () => ({})),
    required: list(size, (at) => `p${at}`),
  }),
  (size) => ({
    anyOf: list(size / 20, (at) => ({ type: 'string', minLength: at, maxLength: 900 + at })),
  }),
  (size) => ({ anyOf: list(size / 20, (at) => ({ type: 'array', items: { const: at } })) }),
  (size) => ({
    oneOf: list(size / 20, (at) => ({
      properties: { [`k${at}`]: { const: at } },
      required: [`k${at}`],
    })),
  }),
  (size) => ({
    anyOf: list(size / 20, (at) => ({
      type: 'array',
      minItems: at,
      items: { enum: list(size / 20, character) },
    })),
  }),
  (size) => ({
    anyOf: list(size / 20, (kind) => ({
      properties: named(size / 40, (at) => ({ const: at + kind })),
    })),
  }),
  (size) => ({ pattern: `a.{${Math.round(size / 100)}}$` }),
  (size) => ({ pattern: `^(?:${list(size, (at) => `${character(at)}${at}`).join('|')})$` }),
  (size) => ({ pattern: `^[a-z]{0,${Math.round(size)}}$` }),
  (size) => ({
    type: 'object',
    properties: named(size / 20, (at) => ({ pattern: `^${at}.*x.{5}$` })),
  }),
  (size) => ({
    type: 'object',
    properties: named(size / 20, (at) => ({
      type: 'number',
      minimum: at / 7,
      maximum: 10 ** (at % 14),
    })),
  }),
  (size) => ({ type: 'object', properties: named(size / 50, (at) => ({ multipleOf: 100 + at })) }),
  (size) => ({
    type: 'object',
    properties: named(size / 20, (at) => ({
      format: pick(['email', 'uri', 'date-time', 'ipv6'], at),
      maxLength: 30 + at,
    })),
  }),
  (size) => ({ uniqueItems: true, items: { enum: list(size / 10, (at) => at) } }),
  (size) => ({ prefixItems: list(size, (at) => ({ const: at })) }),
  (size) => ({ allOf: list(size, (at) => ({ minLength: at % 9 })) }),
  (size) => ({
    patternProperties: {
      [`a.{${Math.round(size / 200)}}$`]: {},
      '^b.*c': { type: 'null' },
      'd.{4}$': {},
    },
  }),
  (size) => ({ const: list(size, (at) => at), uniqueItems: true }),
  (size) => ({
    $defs: {
      a: {
        anyOf: list(2 + (size % 3), (at) => ({
          type: 'array',
          items: { $ref: '#/$defs/a' },
          maxItems: 2 + at,
        })),
      },
    },
    $ref: '#/$defs/a',
  }),
  (size) => ({
    $defs: list(size, (at) => ({ anyOf: [{ $ref: `#/$defs/${at + 1}` }, { type: 'null' }] })),
    $ref: '#/$defs/0',
  }),
];

const schemaOf = (size: number, variant: number): unknown => pick(schemas, variant)(size);

export const kinds: Readonly<Record<string, Kind>> = {
  schema: (size, variant) => ({
    messages: [user('Answer.')],
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'hostile', strict: variant % 2 === 0, schema: schemaOf(size, variant) },
    },
  }),
  tools: (size, variant) => ({
    messages: [user('Call.')],
    tool_choice: pick(['auto', 'required'], variant),
    tools: list(Math.min(128, size / 10), (at) => ({
      type: 'function',
      function: {
        name: `f${at}`,
        parameters: { type: 'object', properties: { a: schemaOf(size / 20, variant + at) } },
      },
    })),
  }),
  history: (size, variant) => ({
    messages: [
      user('a'),
      {
        role: 'assistant',
        content: '',
        tool_calls: list(variant % 3 === 0 ? size : 1, () => ({
          id: 'a',
          type: 'function',
          function: {
            name: 'f',
            // Both lists at their longest would be more than a string of JavaScript holds.
            arguments: JSON.stringify({
              a: list(variant % 5 === 0 ? Math.min(size, 500_000 / size) : 1, (at) => at),
            }),
          },
        })),
      },
      ...list(size, () =>
        variant % 2 === 0 ? { role: 'tool', tool_call_id: 'a', content: '' } : user('a'),
      ),
    ],
  }),
  parts: (size) => ({ messages: [user(list(size, () => ({ type: 'text', text: 'a' })))] }),
  text: (size, variant) => ({ messages: [user(fill(pick(unicode, variant), size * 50))] }),
  completion: (size, variant) => ({
    path: '/v1/completions',
    prompt:
      variant % 2 === 0 ? fill(pick(unicode, variant), size * 50) : list(size, (at) => at % 500),
    logprobs: variant % 6,
    n: 1 + (variant % 4),
    echo: variant % 3 === 0,
  }),
  bias: (size) => ({
    messages: [user('a')],
    logit_bias: Object.fromEntries(list(size, (at) => [String(at), at % 7])),
  }),
  logprobs: (size, variant) => ({
    messages: [user('a')],
    logprobs: true,
    top_logprobs: 20,
    temperature: variant % 2,
    top_k: variant % 3 === 0 ? 0 : Math.round(size),
  }),
  stop: (size, variant) => ({
    messages: [user('a')],
    stop: list(
      Math.min(16, 1 + size / 200),
      (at) => fill(pick(unicode, variant), 200).slice(0, 240) + at,
    ),
  }),
  responses: (size, variant) => ({
    path: '/v1/responses',
    input: list(size, (at) => ({
      role: at % 2 === 0 ? 'user' : 'assistant',
      content: pick(unicode, variant),
    })),
  }),
  anthropic: (size, variant) => ({
    path: '/v1/messages',
    max_tokens: 8,
    messages: list(size, (at) => ({
      role: at % 2 === 0 ? 'user' : 'assistant',
      content: pick(unicode, variant),
    })),
  }),
  tokenize: (size, variant) => ({
    path: '/tokenize',
    content: fill(pick(unicode, variant), size * 50),
    with_pieces: variant % 2 === 0,
  }),
  embeddings: (size, variant) => ({
    path: '/v1/embeddings',
    input:
      variant % 2 === 0
        ? list(size, (at) => `text ${at}`)
        : fill(pick(unicode, variant), size * 50),
    encoding_format: pick(['float', 'base64'], variant),
  }),
  garbage: (size, variant) => ({
    path: pick(
      [
        '/v1/chat/completions',
        '/v1/completions',
        '/v1/embeddings',
        '/v1/responses',
        '/v1/messages',
      ],
      variant,
    ),
    [pick(['messages', 'prompt', 'input', 'tools', 'stop', 'logit_bias'], variant)]: list(
      size * 5,
      (at) => pick([at, null, [at], { at }], variant),
    ),
  }),
};

/** A body is at most as large as the service reads. */
export function buildRequest({ kind, size, variant, bias, stream }: Genes): HostileRequest {
  const { path = '/v1/chat/completions', ...body } = kinds[kind]!(size, variant);
  const options = {
    max_tokens: 12,
    ...(stream && kind !== 'tokenize' && kind !== 'embeddings' ? { stream } : {}),
    ...(bias < 0 || path !== '/v1/chat/completions' ? {} : { logit_bias: { [bias]: 60 } }),
  };
  return { path, body: JSON.stringify({ ...options, ...body }).slice(0, 1024 * 1024) };
}
