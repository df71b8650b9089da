import { expect, test } from 'vitest';
import { createAnswerText } from '../../../src/engine/worker/answer-text.ts';

/** A tokenizer with one token per byte, the worst case for characters of several bytes. */
function answer(stop: string[] = []) {
  return createAnswerText({ stop, detokenize: (tokens) => Buffer.from(tokens).toString('utf8') });
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
