import { describe, expect, test } from 'vitest';
import { createToolCallParser } from '../../../src/api/run/tool-calls.ts';
import { createAnswerText } from '../../../src/engine/worker/answer-text.ts';
import { bareCallsOf, createBareCalls } from '../../../src/engine/worker/bare-calls.ts';

const opening = '<tool_call>';
const args = '{"city": "Paris"}';

/** What the API gets of an answer, of which each part is a token. */
function answer(parts: readonly string[], stop: readonly string[] = []) {
  const text = createAnswerText({
    stop,
    opening,
    bareCalls: createBareCalls(['get_weather', 'get']),
    detokenize: (tokens) => tokens.map((token) => parts[token]).join(''),
  });
  const texts: string[] = [];
  for (const token of parts.keys()) {
    const { text: piece, stopped } = text.push(token);
    texts.push(piece);
    if (stopped !== undefined) return texts;
  }
  return [...texts, text.flush()];
}

/** As Qwen2.5's tokenizer cuts it. */
const header = ['{"', 'name', '":', ' "', 'get', '_weather', '",', ' "', 'arguments'];
const call = [...header, '":', ' {"', 'city', '":', ' "', 'Paris', '"}', '}\n', '</tool_call>'];
const tagged = `${opening}\n{"name": "get_weather", "arguments": ${args}}\n</tool_call>`;

test.each([
  ['alone', call, tagged],
  ['in a code block', ['```', 'json', '\n', ...call], tagged],
  ['after text', ['Sure', ':\n', '```\n', ...call], `Sure:\n${tagged}`],
  ['after JSON of another kind', ['{"a": 1}\n', ...call], `{"a": 1}\n${tagged}`],
  [
    'over several lines',
    ['{\n ', ' "name": "get_weather",\n  "arguments', ...call.slice(9)],
    tagged,
  ],
  ['in one token', ['{"name":"get_weather","arguments":', `${args}}\n</tool_call>`], tagged],
  ['with its tag', [opening, '\n', ...call], tagged],
])('a call %s is one, in its whole form', (_, parts, expected) => {
  expect(answer(parts).join('')).toBe(expected);
  const parser = createToolCallParser();
  const deltas = [...answer(parts).flatMap((text) => parser.push(text)), ...parser.finish()];
  expect(parser.calls()).toBe(1);
  const own = deltas.flatMap((delta) => (delta.type === 'arguments' ? delta.text : []));
  expect(JSON.parse(own.join(''))).toEqual({ city: 'Paris' });
});

test.each([
  ['of an unknown tool', ['{"', 'name', '":', ' "', 'get_news', '", "arguments": {}}']],
  ['of a longer name', ['{"name": "get_weather', '2", "arguments": {}}']],
  ['of another order', ['{"arguments": {}, "name": "get_weather"}']],
  ['without arguments', ['{"name": "get_weather", "description": "…"}']],
  ['within a line', ['see {"name": "get_weather", "arguments": {}}']],
  ['whose arguments came with its name', ['{"name": "get_weather", "arguments": {"a', '": 1}}']],
  ['that ends too early', header.slice(0, -1)],
  ['as a string', ['"{\\"name\\": \\"get_weather\\", \\"arguments']],
  ['that is code', ['```', 'py', 'thon\n', '{"name"', '}', '\n```']],
])('text that looks like a call %s stays as it is', (_, parts) => {
  expect(answer(parts).join('')).toBe(parts.join(''));
});

describe('text is held back', () => {
  test('only while it can become a call', () => {
    const parts = ['Hi', '\n', '{"', 'name', '":', ' "', 'Li', '"}', ' ok'];
    expect(answer(parts)).toEqual(['Hi', '', '', '', '', '', '\n{"name": "Li', '"}', ' ok', '']);
  });

  test('up to a limit, whatever white space follows', () => {
    const parts = ['{', ...Array.from({ length: 300 }, () => ' '), 'x'];
    const texts = answer(parts);
    expect(texts.join('')).toBe(parts.join(''));
    expect(texts.slice(0, 256).join('')).toBe('');
    expect(texts.at(-1)).toBe('');
  });
});

test('only free text has such calls', () => {
  const calls = { kind: 'tool_calls', tools: [], parallel: true, lenient: true } as const;
  expect(bareCallsOf({ ...calls, choice: 'auto' })).toBeDefined();
  for (const other of [
    { ...calls, choice: 'required' },
    { ...calls, choice: 'auto', lenient: false },
    { ...calls, choice: 'auto', otherwise: { kind: 'json_object' } },
    { kind: 'json_object' },
  ] as const) {
    expect(bareCallsOf(other)).toBeUndefined();
  }
});

test('a stop sequence ends the text before such a call, but not the call', () => {
  expect(answer(call, ['}', '"', '\n']).join('')).toBe(tagged);
  expect(answer(['{"a', '": 1', '}', ' more'], ['}']).join('')).toBe('{"a": 1');
});
