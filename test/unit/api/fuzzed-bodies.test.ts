/** Thousands of random bodies that are almost valid. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createApiApp } from '../../support/api/app.ts';

const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
const answered = { role: 'tool', content: 'x', tool_call_id: 'call_1' };
const parameters = { type: 'object', properties: { a: { type: 'string' } } };
const routes = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/embeddings',
  '/tokenize',
  '/chat',
];
const fields =
  'messages prompt content input model stream stream_options max_tokens temperature top_p top_k seed stop n tools tool_choice parallel_tool_calls response_format logprobs top_logprobs logit_bias presence_penalty repeat_penalty with_pieces encoding_format dimensions echo suffix functions instructions text previous_response_id include store system stop_sequences tool_choice thinking __proto__ constructor'.split(
    ' ',
  );
const likely = fc.oneof(
  fc.constantFrom<unknown>(
    [{ role: 'user', content: 'a' }],
    [{ role: 'assistant', content: null, tool_calls: [call] }, answered],
    [{ role: 'user', content: [{ type: 'text', text: 'a' }] }],
    [{ type: 'function', function: { name: 'f', parameters: {} } }],
    [{ type: 'function', function: { name: 'f', parameters } }],
    { type: 'function', function: { name: 'f' } },
    { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
    { type: 'json_object' },
    { include_usage: true },
    [{ role: 'user', content: 'a' }, { type: 'reasoning' }],
    [{ type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }],
    [{ type: 'item_reference', id: 'a' }],
    { format: { type: 'json_schema', name: 'a', schema: {} } },
    { 5: -100 },
    'required',
    'none',
    'base64',
    ['a'],
    'a',
    1,
    0,
    true,
    null,
    '\uD800',
    '\0',
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
const bodies = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(fc.constantFrom(...fields), likely, { maxKeys: 8 }) },
  { weight: 1, arbitrary: fc.jsonValue() },
);

test('answers any JSON with 200, 400 or 404', async () => {
  const statuses = new Set<number>();
  const api = createApiApp();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), bodies, async (path, body) => {
      api.requests.length = 0;
      const response = await api.post(path, body);
      await response.text();
      statuses.add(response.status);
      expect([200, 400, 404]).toContain(response.status);
      if (response.status === 200) return;
      expect(api.requests).toEqual([]);
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) },
  );
  // Otherwise the bodies would be too random to reach a handler.
  expect(statuses.has(200)).toBe(true);
});
