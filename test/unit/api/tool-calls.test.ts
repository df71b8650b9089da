import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createToolCallParser, type Delta } from '../../../src/api/run/tool-calls.ts';

function parse(pieces: readonly string[]) {
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
  expect(parse([text])).toEqual({
    content: 'Let me look.',
    calls: [
      { name: 'weather', arguments: '{"city": "Paris"}' },
      { name: 'time', arguments: '{}' },
    ],
  });
});

test('streams arguments, after a call with an id', () => {
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

test('white space after the last call is no content', () => {
  const one = { content: '', calls: [{ name: 'run', arguments: '{}' }] };
  expect(parse([call('run', '{}'), '\n'])).toEqual(one);
  expect(parse(['text \n'])).toEqual({ content: 'text \n', calls: [] });
});

test('ignores braces, quotes and tags inside a string', () => {
  const args = JSON.stringify({
    code: 'if (a) { "</tool_call>" } \\',
    inches: '3"}',
    deep: [{ a: ['}'] }],
  });
  expect(parse([call('run', args)])).toEqual({
    content: '',
    calls: [{ name: 'run', arguments: args }],
  });
});

test('reads a call with its members in another order', () => {
  const text = '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>';
  expect(parse([text])).toEqual({ content: '', calls: [{ name: 'f', arguments: '{"a":1}' }] });
});

test.each([
  ['no JSON', 'a <tool_call>what is this</tool_call> b'],
  ['JSON without a name', '<tool_call>{"arguments": {}}</tool_call>'],
  ['null', '<tool_call>null</tool_call>'],
  ['an argument that is no object', '<tool_call>{"name": "f", "arguments": 7}</tool_call>'],
  ['a single brace', 'a <'],
  ['white space at the end', 'that is all \n'],
])('returns %s as content, without losing text', (_, text) => {
  const { content, calls } = parse([text]);
  expect(calls).toEqual([]);
  expect(content.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
});

test.each(['<tool_call>\n', '<tool_call>\n{"name": "f", "argu', '<tool_call>x', '<tool_c'])(
  'the markup of a call that is cut before its arguments is no content: %j',
  (markup) => {
    expect(parse([`see\n${markup}`])).toEqual({ content: 'see', calls: [] });
  },
);

test('returns an incomplete call up to its last token', () => {
  expect(parse(['<tool_call>\n{"name": "f", "arguments": {"a": "long'])).toEqual({
    content: '',
    calls: [{ name: 'f', arguments: '{"a": "long' }],
  });
  expect(parse(['<tool_call>{"name": "f", "arguments": {"a": 1}}\n</tool'])).toEqual({
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

test('returns the same however the text is cut', () => {
  const texts = fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
      const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].toSorted(
        (a, b) => a - b,
      );
      const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
      expect(parse(pieces)).toEqual(parse([text]));
      expect(parse(text.split(''))).toEqual(parse([text]));
    }),
    { numRuns: 2000 },
  );
});

/** Without the call that the end of the answer cuts. */
function withoutUnfinished(text: string): string {
  const from = text.indexOf('<tool_call>', text.lastIndexOf('</tool_call>') + 1);
  if (from !== -1) return text.slice(0, from);
  const tag = text.slice(text.lastIndexOf('<'));
  return tag.length > 1 && '<tool_call>'.startsWith(tag) ? text.slice(0, -tag.length) : text;
}

test('loses no visible character outside of calls', () => {
  const texts = fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, (text) => {
      const { content, calls } = parse([text]);
      if (calls.length > 0) return;
      expect(content.replaceAll(/\s/g, '')).toBe(withoutUnfinished(text).replaceAll(/\s/g, ''));
    }),
    { numRuns: 1000 },
  );
});
