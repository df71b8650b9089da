/** Where a long text is cut before it is tokenized. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCharacter } from '../../support/any-character.ts';
import { createSlicer } from '../../../src/engine/worker/llama/prompt/slices.ts';

const controlTokens = ['<|im_start|>', '<|im_end|>'];
const slices = createSlicer({ controlTokens, atWords: true, characters: 20 });

describe('slices', () => {
  test('are cut between words', () => {
    expect([...slices('The quick brown fox jumps over the lazy dog')]).toEqual([
      'The quick brown fox',
      ' jumps over the lazy',
      ' dog',
    ]);
  });

  test('are cut before Chinese punctuation marks', () => {
    expect([...slices('今天天气很好，我们去公园散步吧。然后回家吃饭，好不好')]).toEqual([
      '今天天气很好，我们去公园散步吧',
      '。然后回家吃饭，好不好',
    ]);
  });

  test('are cut right before a control token, and never inside', () => {
    const text = `${'!'.repeat(15)}<|im_end|>${'!'.repeat(15)}<|im_start|>!`;
    expect([...slices(text)]).toEqual([
      '!'.repeat(15),
      `<|im_end|>${'!'.repeat(15)}`,
      '<|im_start|>!',
    ]);
  });

  test('are not cut within spaces, numbers or marks', () => {
    const text = 'Hello  world hello, world 123 hello';
    expect([...slices(text)]).toEqual(['Hello  world', ' hello, world 123', ' hello']);
  });

  test('extend to a seam up to four times their length', () => {
    const text = `${'x'.repeat(70)} and ${'x'.repeat(10)}`;
    expect([...slices(text)]).toEqual(['x'.repeat(70), ` and ${'x'.repeat(10)}`]);
  });

  test('are cut anywhere after that, but not within a character', () => {
    expect([...slices('😀'.repeat(60))].map((slice) => slice.length)).toEqual([80, 40]);
    expect([...slices(`x${'😀'.repeat(60)}`)].map((slice) => slice.length)).toEqual([81, 40]);
  });

  test('are cut only before control tokens if the vocabulary marks the beginning of a text', () => {
    const careful = createSlicer({ controlTokens, atWords: false, characters: 5 });
    expect([...careful('one two three four five<|im_end|>six seven')]).toEqual([
      'one two three four five',
      '<|im_end|>six seven',
    ]);
  });

  test('concatenate to the text', () => {
    const word = fc.constantFrom('<|im_end|>', '<|im_', ' ', '\n', '，', 'é', '😀', 'word', '12');
    const text = fc.array(fc.oneof(word, fc.string({ unit: anyCharacter })), { maxLength: 80 });
    fc.assert(
      fc.property(text, (parts) => {
        const whole = parts.join('');
        expect([...slices(whole)].join('')).toBe(whole);
      }),
    );
  });
});
