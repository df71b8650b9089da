import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createToolCallParser, type Delta } from '../../../src/api/run/tool-calls.ts';

function read(pieces: readonly string[]) {
  const parser = createToolCallParser();
  const deltas: Delta[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.finish()];
  const calls: { name: string; arguments: string }[] = [];
  let content = '';
  for (const delta of deltas) {
    if (delta.type === 'content') content += delta.text;
    else if (delta.type === 'call') calls.push({ name: delta.name, arguments: '' });
    else calls[delta.index]!.arguments += delta.text;
  }
  return { content, calls };
}

const call = (name: string, args: string) =>
  `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;

test('reads calls and the text before them', () => {
  const text = `Let me look.\n${call('weather', '{"city": "Paris"}')}\n${call('time', '{}')}`;
  expect(read([text])).toEqual({
    content: 'Let me look.',
    calls: [
      { name: 'weather', arguments: '{"city": "Paris"}' },
      { name: 'time', arguments: '{}' },
    ],
  });
});

test('gives arguments as they come, under an id of their own', () => {
  const parser = createToolCallParser();
  const first = parser.push('<tool_call>\n{"name": "f", "arguments": {"a": "x');
  expect(first).toEqual([
    { type: 'call', index: 0, id: expect.stringMatching(/^call_[0-9a-f]{32}$/), name: 'f' },
    { type: 'arguments', index: 0, text: '{"a": "x' },
  ]);
  expect(parser.push('y"}')).toEqual([{ type: 'arguments', index: 0, text: 'y"}' }]);
  expect(parser.push('}\n</tool_call>')).toEqual([]);
  expect(parser.finish()).toEqual([]);
});

test('is not fooled by braces, quotes and tags within a string', () => {
  const args = JSON.stringify({
    code: 'if (a) { "</tool_call>" } \\',
    inches: '3"}',
    deep: [{ a: ['}'] }],
  });
  expect(read([call('run', args)])).toEqual({
    content: '',
    calls: [{ name: 'run', arguments: args }],
  });
});

test('reads a call whose members stand the other way round', () => {
  const text = '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>';
  expect(read([text])).toEqual({ content: '', calls: [{ name: 'f', arguments: '{"a":1}' }] });
});

test.each([
  ['no JSON', 'a <tool_call>what is this</tool_call> b'],
  ['JSON without a name', '<tool_call>{"arguments": {}}</tool_call>'],
  ['null', '<tool_call>null</tool_call>'],
  ['an argument that is no object', '<tool_call>{"name": "f", "arguments": 7}</tool_call>'],
  ['a call cut before its arguments', '<tool_call>\n{"name": "f", "argu'],
  ['a tag cut in half', 'see <tool_c'],
  ['white space at the end', 'that is all \n'],
])('gives %s as content and loses nothing', (_, text) => {
  const { content, calls } = read([text]);
  expect(calls).toEqual([]);
  expect(content.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
});

test('gives a call that the length cut off as far as it came', () => {
  expect(read(['<tool_call>\n{"name": "f", "arguments": {"a": "long'])).toEqual({
    content: '',
    calls: [{ name: 'f', arguments: '{"a": "long' }],
  });
  expect(read(['<tool_call>{"name": "f", "arguments": {"a": 1}}\n</tool'])).toEqual({
    content: '',
    calls: [{ name: 'f', arguments: '{"a": 1}' }],
  });
});

const fragments = fc.constantFrom(
  '<tool_call>',
  '</tool_call>',
  '<tool_',
  '\n',
  ' ',
  '{"name": "f", "arguments": ',
  '{"name": "f\\"", "arguments": {',
  '{"a": "}"}',
  '{',
  '}',
  '"',
  '\\',
  '[',
  'text',
  '你好',
  call('g', '{"b": [1, "\\\\"]}'),
);

test('reads the same whichever way the text is cut', () => {
  const texts = fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
      const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].toSorted(
        (a, b) => a - b,
      );
      const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
      expect(read(pieces)).toEqual(read([text]));
      expect(read(text.split(''))).toEqual(read([text]));
    }),
    { numRuns: 2000 },
  );
});

test('loses no visible character that is not the frame of a call', () => {
  const texts = fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, (text) => {
      const { content, calls } = read([text]);
      if (calls.length > 0) return;
      expect(content.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
    }),
    { numRuns: 1000 },
  );
});
