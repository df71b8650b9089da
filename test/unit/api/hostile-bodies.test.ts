import { expect, test } from 'vitest';
import { createApiApp } from '../../support/api/app.ts';

const canary = 'canary-7f3a';
const user = { role: 'user', content: canary };
const hello = { messages: [user] };
const chat = '/v1/chat/completions';
const tool = (parameters: unknown, name = 'f') => ({
  type: 'function',
  function: { name, parameters },
});
const called = (args: string) => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: args } }],
});
const says = (content: unknown) => ({ messages: [{ role: 'user', content }] });
const nested = `${'['.repeat(5000)}${']'.repeat(5000)}`;

/** Title, route, body, and the beginning of the error message. */
const invalid: [string, string, unknown, string][] = [
  ['not JSON', chat, '{"messages"', 'body: expected JSON, got 11 characters of something else'],
  ['nothing', chat, '', 'body: expected JSON, got 0 characters'],
  ['an array', chat, '[]', 'body: expected a JSON object, got an array of 0'],
  ['too many levels', chat, `{"tools":${nested}}`, 'body: expected at most 64 nested levels'],
  ['no messages', chat, {}, 'messages: required; expected array.'],
  ['empty messages', chat, { messages: [] }, 'messages: expected array to have >=1 items, got an'],
  ['messages of a wrong type', chat, { messages: canary }, 'messages: expected array, got a str'],
  ['a null message', chat, { messages: [null] }, 'messages.0: expected'],
  ['a wrong role', '/chat', { messages: [{ role: canary }] }, 'messages.0.role: expected "system"'],
  [
    'no content',
    chat,
    { messages: [{ role: 'user' }] },
    'messages.0.content: required; expected a string or',
  ],
  [
    'an image',
    chat,
    says([{ type: 'image_url' }]),
    'messages.0.content.0.type: expected "text", the only supported content, got "image_url"',
  ],
  [
    'audio',
    chat,
    says([{ type: 'input_audio' }]),
    'messages.0.content.0.type: expected "text", the only supported content, got "input_audio"',
  ],
  ['no parts', chat, says([]), 'messages.0.content: expected array to have >=1 items'],
  [
    'a part without text',
    chat,
    says([{ type: 'text' }]),
    'messages.0.content.0.text: required; expected string.',
  ],
  [
    'arguments that are not JSON',
    chat,
    { messages: [called('{a')] },
    'messages.0.tool_calls.0.function.arguments: expected the text of a JSON object, got a string of 2',
  ],
  [
    'arguments that are no object',
    chat,
    { messages: [called('[1]')] },
    'messages.0.tool_calls.0.function.arguments: expected the text of a JSON object, got an array',
  ],
  [
    'arguments with too many levels',
    chat,
    { messages: [called(`{"a":${nested}}`)] },
    'messages.0.tool_calls.0.function.arguments: expected at most 64 nested levels',
  ],
  [
    'arguments with too many values, in several calls',
    chat,
    { messages: Array<unknown>(3).fill(called(JSON.stringify({ a: Array(20_000).fill(1) }))) },
    'messages.2.tool_calls.0.function.arguments: expected at most 50000 JSON values',
  ],
  [
    '12,000 tool answers',
    chat,
    {
      messages: [
        called('{}'),
        ...Array.from({ length: 12_000 }, () => ({
          role: 'tool',
          tool_call_id: 'call_1',
          content: '',
        })),
      ],
    },
    'messages: expected array to have <=1024 items, got an array of 12001',
  ],
  [
    '20,000 messages',
    chat,
    { messages: Array.from({ length: 20_000 }, () => user) },
    'body: expected at most 50000 JSON values',
  ],
  [
    'a list of many numbers instead of messages',
    chat,
    { messages: Array(40_000).fill(1) },
    'messages: expected array to have <=1024 items',
  ],
  [
    'a logit_bias of many tokens',
    chat,
    { ...hello, logit_bias: Object.fromEntries(Array.from({ length: 2001 }, (_, id) => [id, 1])) },
    'body: expected at most 2000 fields in one object',
  ],
  [
    'a tool message without a call',
    chat,
    { messages: [user, { role: 'tool', content: 'x', tool_call_id: 'call_9' }] },
    'messages.1.tool_call_id: expected the id of a call in an earlier assistant message, got "call_9"',
  ],
  [
    'a tool message before its call',
    chat,
    { messages: [{ role: 'tool', content: 'x', tool_call_id: 'call_1' }, called('{}')] },
    'messages.0.tool_call_id: ',
  ],
  [
    'a negative max_tokens',
    chat,
    { ...hello, max_tokens: -1 },
    'max_tokens: expected number to be >=1, got -1',
  ],
  [
    'a fractional max_tokens',
    chat,
    { ...hello, max_tokens: 1.5 },
    'max_tokens: expected int, got 1.5',
  ],
  [
    'an infinite temperature',
    chat,
    '{"messages":[{"role":"user","content":"a"}],"temperature":1e999}',
    'temperature: expected number, got Infinity',
  ],
  [
    'a temperature above 2',
    chat,
    { ...hello, temperature: 3 },
    'temperature: expected number to be <=2, got 3',
  ],
  [
    'a temperature as one letter',
    chat,
    { ...hello, temperature: 'h' },
    'temperature: expected number, got a string of 1 character.',
  ],
  [
    'a temperature as a string',
    chat,
    { ...hello, temperature: 'hot' },
    'temperature: expected number, got a string of 3',
  ],
  [
    'a repeat penalty that makes logits infinite',
    chat,
    { ...hello, repeat_penalty: 1e-45 },
    'repeat_penalty: expected number to be >=0.01, got 1e-45',
  ],
  ['a fractional seed', chat, { ...hello, seed: 0.5 }, 'seed: expected int, got 0.5'],
  [
    '17 stop strings',
    chat,
    { ...hello, stop: Array.from({ length: 17 }, String) },
    'stop: expected a string or up to 16 strings, got an array of 17',
  ],
  [
    'a penalty above 2',
    chat,
    { ...hello, presence_penalty: 3 },
    'presence_penalty: expected number to be <=2',
  ],
  [
    'a logit_bias whose keys are no token ids',
    chat,
    { ...hello, logit_bias: { [canary]: 1 } },
    'logit_bias: expected token ids as keys, got another key',
  ],
  [
    'a logit_bias above 100',
    chat,
    { ...hello, logit_bias: { 5: 101 } },
    'logit_bias.5: expected number to be <=100, got 101',
  ],
  ['n above 128', chat, { ...hello, n: 129 }, 'n: expected number to be <=128, got 129'],
  [
    '21 top_logprobs',
    chat,
    { ...hello, logprobs: true, top_logprobs: 21 },
    'top_logprobs: expected number to be <=20',
  ],
  [
    'top_logprobs alone',
    chat,
    { ...hello, top_logprobs: 1 },
    'top_logprobs: expected together with "logprobs": true',
  ],
  [
    'functions',
    chat,
    { ...hello, functions: [] },
    'functions: not supported (use tools and tool_choice)',
  ],
  [
    'function_call',
    chat,
    { ...hello, function_call: 'auto' },
    'function_call: not supported (use tools and tool_choice)',
  ],
  [
    'audio output',
    chat,
    { ...hello, audio: { voice: 'a' } },
    'audio: not supported (this model writes text), got an object',
  ],
  [
    'another modality',
    chat,
    { ...hello, modalities: ['audio'] },
    'modalities.0: expected "text", the only modality of this model, got "audio"',
  ],
  [
    'a tool of another type',
    chat,
    { ...hello, tools: [{ type: 'web_search' }] },
    'tools.0.type: expected "function", got "web_search"',
  ],
  [
    'a tool with a wrong name',
    chat,
    { ...hello, tools: [tool({}, 'a b')] },
    'tools.0.function.name: expected 1 to 64 letters',
  ],
  [
    'two tools of one name',
    chat,
    { ...hello, tools: [tool({}), tool({})] },
    'tools.1.function.name: expected a unique name',
  ],
  [
    'a tool with array parameters',
    chat,
    { ...hello, tools: [tool({ type: 'array' })] },
    'tools.0.function.parameters.type: expected "object"',
  ],
  [
    'tool_choice without tools',
    chat,
    { ...hello, tool_choice: 'required' },
    'tool_choice: expected "none" or "auto" without tools',
  ],
  [
    'tool_choice of an unknown tool',
    chat,
    { ...hello, tools: [tool({})], tool_choice: { type: 'function', function: { name: canary } } },
    'tool_choice.function.name: expected the name of one of the tools',
  ],
  [
    'an unknown tool_choice',
    chat,
    { ...hello, tools: [tool({})], tool_choice: 'maybe' },
    'tool_choice: expected "none", "auto", "required" or',
  ],
  [
    'an unknown response_format',
    chat,
    { ...hello, response_format: { type: 'xml' } },
    'response_format.type: expected a "type" of "text", "json_object" or "json_schema"',
  ],
  [
    'a json_schema without its schema',
    chat,
    { ...hello, response_format: { type: 'json_schema', json_schema: { name: 'a' } } },
    'response_format.json_schema.schema: required; expected record',
  ],
  [
    'logprobs on /chat',
    '/chat',
    { prompt: 'a', logprobs: true },
    'logprobs: expected false (use /v1/chat/completions)',
  ],
  [
    'tools on /chat',
    '/chat',
    { prompt: 'a', tools: [tool({})] },
    'tools: not supported (use /v1/chat/completions)',
  ],
  [
    'prompt and messages',
    '/chat',
    { prompt: 'a', ...hello },
    'prompt: expected either "prompt" or "messages", got both',
  ],
  [
    'neither prompt nor messages',
    '/chat',
    {},
    'prompt: expected either "prompt" or "messages", got neither',
  ],
  [
    'more than 128 answers',
    '/v1/completions',
    { prompt: ['a', 'b'], n: 65 },
    'n: expected at most 128 answers to all prompts, got 130',
  ],
  ['a negative token id', '/v1/completions', { prompt: [[-1]] }, 'prompt.0'],
  [
    'best_of above 1',
    '/v1/completions',
    { prompt: 'a', best_of: 2 },
    'best_of: expected 1 (one answer per request), got 2',
  ],
  [
    'a suffix',
    '/v1/completions',
    { prompt: 'a', suffix: 'b' },
    'suffix: expected "" (the model only continues a text)',
  ],
  [
    'a mixed list to embed',
    '/v1/embeddings',
    { input: ['a', 1] },
    'input.1: expected string, got 1',
  ],
  ['nothing to embed', '/v1/embeddings', { input: [] }, 'input: expected'],
  [
    'another vector size',
    '/v1/embeddings',
    { input: 'a', dimensions: 3 },
    "dimensions: expected 2, the size of this model's vectors, got 3",
  ],
  [
    'an unknown encoding',
    '/v1/embeddings',
    { input: 'a', encoding_format: 'hex' },
    'encoding_format: expected one of "float"|"base64"',
  ],
  [
    'nothing to tokenize',
    '/tokenize',
    {},
    'content: expected either "content" or "messages", got neither',
  ],
];

test.each(invalid)(
  'rejects %s with the expected and the given value',
  async (_, path, body, message) => {
    const response = await createApiApp().post(path, body);
    expect(response.status).toBe(400);
    const { error } = await response.json();
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^[\w.]+: .*\.$/s);
    expect(error.message).not.toContain(canary);
    expect(error).toMatchObject({ type: 'invalid_request_error', code: 'bad_request' });
  },
);

test('names the invalid field as param', async () => {
  const response = await createApiApp().post(chat, { ...hello, stop: [1] });
  expect((await response.json()).error.param).toBe('stop.0');
});
