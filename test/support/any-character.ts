/**
 * Any Unicode code point except surrogates, for property tests. fast-check's own `unit: 'binary'` gives the same characters but
 * builds a table of all code points first, which takes a second of CPU time per worker.
 */
import * as fc from 'fast-check';

const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;

export const anyCharacter = fc
  .nat({ max: 0x10ffff })
  .filter((code) => !isSurrogate(code))
  .map((code) => String.fromCodePoint(code));
