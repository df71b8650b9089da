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

/** Route, body, and the beginning of the sentence that answers it. */
const bad: [string, string, unknown, string][] = [
  ['not JSON', chat, '{"messages"', 'body: expected JSON, got 11 characters that are not'],
  ['nothing', chat, '', 'body: expected JSON, got 0 characters'],
  ['an array', chat, '[]', 'body: expected a JSON object, got an array of 0'],
  ['too many levels', chat, `{"tools":${nested}}`, 'body: expected at most 64 levels'],
  ['no messages', chat, {}, 'messages: expected array, got nothing'],
  ['empty messages', chat, { messages: [] }, 'messages: expected array to have >=1 items, got an'],
  ['messages of a wrong type', chat, { messages: canary }, 'messages: expected array, got a str'],
  ['a null message', chat, { messages: [null] }, 'messages.0: expected'],
  ['a wrong role', '/chat', { messages: [{ role: canary }] }, 'messages.0.role: expected "system"'],
  [
    'no content',
    chat,
    { messages: [{ role: 'user' }] },
    'messages.0.content: expected a string or',
  ],
  [
    'an image',
    chat,
    says([{ type: 'image_url' }]),
    'messages.0.content.0.type: expected "text", the one kind of content that is read here, got "image_url"',
  ],
  [
    'audio',
    chat,
    says([{ type: 'input_audio' }]),
    'messages.0.content.0.type: expected "text", the one kind of content that is read here, got "input_audio"',
  ],
  ['no parts', chat, says([]), 'messages.0.content: expected array to have >=1 items'],
  [
    'a part without text',
    chat,
    says([{ type: 'text' }]),
    'messages.0.content.0.text: expected string, got nothing',
  ],
  [
    'an empty assistant',
    chat,
    { messages: [{ role: 'assistant', content: null }] },
    'messages.0.content: expected a string, since',
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
    'an answer to no call',
    chat,
    { messages: [user, { role: 'tool', content: 'x', tool_call_id: 'call_9' }] },
    'messages.1.tool_call_id: expected the id of a call in an assistant message before it, got "call_9"',
  ],
  [
    'an answer before its call',
    chat,
    { messages: [{ role: 'tool', content: 'x', tool_call_id: 'call_1' }, called('{}')] },
    'messages.0.tool_call_id: ',
  ],
  [
    'a negative limit',
    chat,
    { ...hello, max_tokens: -1 },
    'max_tokens: expected number to be >=1, got -1',
  ],
  ['half a token', chat, { ...hello, max_tokens: 1.5 }, 'max_tokens: expected int, got 1.5'],
  [
    'an infinite temperature',
    chat,
    '{"messages":[{"role":"user","content":"a"}],"temperature":1e999}',
    'temperature: expected number, got Infinity',
  ],
  [
    'a hot temperature',
    chat,
    { ...hello, temperature: 3 },
    'temperature: expected number to be <=2, got 3',
  ],
  [
    'a temperature in words',
    chat,
    { ...hello, temperature: 'hot' },
    'temperature: expected number, got a string of 3',
  ],
  ['top_p 0', chat, { ...hello, top_p: 0 }, 'top_p: expected number to be >0, got 0'],
  [
    'a repeat penalty that makes logits infinite',
    chat,
    { ...hello, repeat_penalty: 1e-45 },
    'repeat_penalty: expected number to be >=0.01, got 1e-45',
  ],
  ['half a seed', chat, { ...hello, seed: 0.5 }, 'seed: expected int, got 0.5'],
  [
    'a seed that JSON cannot keep',
    chat,
    { ...hello, seed: 2 ** 53 },
    'seed: expected int to be <=9007199254740991, got 9007199254740992',
  ],
  [
    'five stops',
    chat,
    { ...hello, stop: ['a', 'b', 'c', 'd', 'e'] },
    'stop: expected a string or up to 4 strings, got an array of 5',
  ],
  [
    'an empty stop',
    chat,
    { ...hello, stop: [''] },
    'stop.0: expected string to have >=1 characters',
  ],
  [
    'a strong penalty',
    chat,
    { ...hello, presence_penalty: 3 },
    'presence_penalty: expected number to be <=2',
  ],
  [
    'a bias of words',
    chat,
    { ...hello, logit_bias: { [canary]: 1 } },
    'logit_bias: expected token ids as keys, got another',
  ],
  [
    'a strong bias',
    chat,
    { ...hello, logit_bias: { 5: 101 } },
    'logit_bias.5: expected number to be <=100, got 101',
  ],
  ['two answers', chat, { ...hello, n: 2 }, 'n: expected 1 (one answer a request), got 2'],
  [
    '21 likeliest',
    chat,
    { ...hello, logprobs: true, top_logprobs: 21 },
    'top_logprobs: expected number to be <=20',
  ],
  [
    'top_logprobs alone',
    chat,
    { ...hello, top_logprobs: 1 },
    'top_logprobs: expected "logprobs": true',
  ],
  [
    'functions',
    chat,
    { ...hello, functions: [] },
    'functions: expected null or nothing (deprecated by OpenAI; use tools',
  ],
  [
    'function_call',
    chat,
    { ...hello, function_call: 'auto' },
    'function_call: expected null or nothing (deprecated by OpenAI; use tools',
  ],
  [
    'sound',
    chat,
    { ...hello, audio: { voice: 'a' } },
    'audio: expected null or nothing (this model writes text), got an object',
  ],
  [
    'another modality',
    chat,
    { ...hello, modalities: ['audio'] },
    'modalities.0: expected "text", the one modality of this model, got "audio"',
  ],
  [
    'a tool that is none',
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
    'twin tools',
    chat,
    { ...hello, tools: [tool({}), tool({})] },
    'tools.1.function.name: expected a name that no tool before it has',
  ],
  [
    'a tool that takes a list',
    chat,
    { ...hello, tools: [tool({ type: 'array' })] },
    'tools.0.function.parameters.type: expected "object"',
  ],
  [
    'a choice without tools',
    chat,
    { ...hello, tool_choice: 'required' },
    'tool_choice: expected "none" or "auto", since there are no tools',
  ],
  [
    'an unknown choice',
    chat,
    { ...hello, tools: [tool({})], tool_choice: { type: 'function', function: { name: canary } } },
    'tool_choice.function.name: expected the name of one of the tools',
  ],
  [
    'a choice of another kind',
    chat,
    { ...hello, tools: [tool({})], tool_choice: 'maybe' },
    'tool_choice: expected "none", "auto", "required" or',
  ],
  [
    'tools and JSON',
    chat,
    { ...hello, tools: [tool({})], response_format: { type: 'json_object' } },
    'response_format: expected {"type":"text"} beside tools',
  ],
  [
    'another format',
    chat,
    { ...hello, response_format: { type: 'xml' } },
    'response_format.type: expected a "type" of "text", "json_object" or "json_schema"',
  ],
  [
    'a format without a schema',
    chat,
    { ...hello, response_format: { type: 'json_schema', json_schema: { name: 'a' } } },
    'response_format.json_schema.schema: expected record, got nothing',
  ],
  [
    'logprobs as text',
    '/chat',
    { prompt: 'a', logprobs: true },
    'logprobs: expected false (plain text has no place for it',
  ],
  [
    'tools as text',
    '/chat',
    { prompt: 'a', tools: [tool({})] },
    'tools: expected null or nothing (plain text has no place',
  ],
  [
    'prompt and messages',
    '/chat',
    { prompt: 'a', ...hello },
    'prompt: expected either "prompt" or "messages", got both',
  ],
  ['neither of them', '/chat', {}, 'prompt: expected either "prompt" or "messages", got neither'],
  [
    'two prompts',
    '/v1/completions',
    { prompt: ['a', 'b'] },
    'prompt: expected a string or an array of one',
  ],
  ['tokens as a prompt', '/v1/completions', { prompt: [1] }, 'prompt.0: expected string, got 1'],
  [
    'an echo',
    '/v1/completions',
    { prompt: 'a', echo: true },
    'echo: expected false (the prompt is not sent back), got true',
  ],
  [
    'best of two',
    '/v1/completions',
    { prompt: 'a', best_of: 2 },
    'best_of: expected 1 (one answer a request), got 2',
  ],
  [
    'a suffix',
    '/v1/completions',
    { prompt: 'a', suffix: 'b' },
    'suffix: expected "" (the model writes forward only)',
  ],
  [
    'tokens to embed',
    '/v1/embeddings',
    { input: [1, 2] },
    'input.0: expected a string (token ids are not read here), got 1',
  ],
  [
    'lists of tokens to embed',
    '/v1/embeddings',
    { input: [[1, 2]] },
    'input.0: expected a string (token ids are not read here), got an array',
  ],
  ['nothing to embed', '/v1/embeddings', { input: [] }, 'input: expected'],
  [
    'a wrong size',
    '/v1/embeddings',
    { input: 'a', dimensions: 3 },
    'dimensions: expected 2, as many as this model has, got 3',
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

test.each(bad)(
  'answers %s with what was expected and what came',
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

test('names the field at fault as param', async () => {
  const response = await createApiApp().post(chat, { ...hello, stop: [''] });
  expect((await response.json()).error.param).toBe('stop.0');
});
