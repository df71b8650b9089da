import { describe, expect, test } from 'vitest';
import { createAnswerText } from '../../../src/engine/worker/answer-text.ts';

/** A tokenizer with one token per byte, the worst case for characters of several bytes. */
function answer(stop: string[] = [], opening?: string) {
  const detokenize = (tokens: readonly number[]) => Buffer.from(tokens).toString('utf8');
  return createAnswerText({ stop, opening, detokenize });
}

function feed(text: ReturnType<typeof answer>, input: string | Buffer): string[] {
  const pieces: string[] = [];
  for (const byte of Buffer.from(input)) {
    const { text: piece, stopped } = text.push(byte);
    pieces.push(piece);
    if (stopped !== undefined) return pieces;
  }
  return [...pieces, text.flush()];
}

test('never returns part of a character', () => {
  const pieces = feed(answer(), '问什么都会 👩‍🚀!');
  expect(pieces.join('')).toBe('问什么都会 👩‍🚀!');
  expect(pieces.some((piece) => piece.includes('\uFFFD'))).toBe(false);
});

test('joins characters if every token ends within one', () => {
  const bytes = Buffer.from('什么都会');
  const tokens = [
    bytes.subarray(0, 4),
    bytes.subarray(4, 7),
    bytes.subarray(7, 10),
    bytes.subarray(10),
  ];
  const text = createAnswerText({
    stop: [],
    detokenize: (ids) => Buffer.concat(ids.map((id) => tokens[id]!)).toString('utf8'),
  });
  expect(tokens.map((_, id) => text.push(id).text).join('')).toBe('什么都会');
});

test('returns bytes that never become a character', () => {
  expect(feed(answer(), Buffer.from([0xff, 0xff, 0x41])).join('')).toBe('\uFFFD\uFFFDA');
});

test('drops an incomplete character at the end of the answer', () => {
  expect(feed(answer(), Buffer.from('问什').subarray(0, 5)).join('')).toBe('问');
  expect(feed(answer(['STOP']), Buffer.from('ST什').subarray(0, 4)).join('')).toBe('ST');
});

test('cuts at the first stop sequence', () => {
  expect(feed(answer(['END', '\n\n']), 'one\ntwo END three').join('')).toBe('one\ntwo ');
});

test('returns text that only began like a stop sequence', () => {
  expect(feed(answer(['STOP']), 'a STO').join('')).toBe('a STO');
  expect(feed(answer(['STOP']), 'STORE').join('')).toBe('STORE');
});

describe('with tools', () => {
  const call = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>';

  test.each(['}', '\n', ',', '"', '<', '<tool', 'tool_call', '}\n</tool_call>'])(
    'the stop sequence %j does not end a call',
    (stop) => {
      expect(feed(answer([stop], '<tool_call>'), `see\n${call}`).join('')).toBe(`see\n${call}`);
    },
  );

  test.each([
    ['a}b', ['}'], 'a'],
    [`a\nb ${call}`, ['\n'], 'a'],
    ['a \n', ['\n'], 'a '],
    [`a,${call}`, [','], 'a'],
    ['if a < b', ['<'], 'if a '],
    ['a \n \n b', ['\n b'], 'a \n '],
  ])('content ends before a stop sequence: %j', (text, stop, content) => {
    expect(feed(answer(stop, '<tool_call>'), text).join('')).toBe(content);
  });
});
