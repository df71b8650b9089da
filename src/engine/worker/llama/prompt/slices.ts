/**
 * Cuts a text where a byte-level BPE tokenizer cuts it anyway, so that a long prompt is tokenized a few milliseconds at a time,
 * between decodes. Used by prompt.ts.
 */
import { anyOf } from './control-tokens.ts';

/** Takes llama.cpp's tokenizer 1 ms for English and 3 ms for Chinese. */
const sliceCharacters = 2000;
/** A text is cut anywhere after this many slices without a seam. */
const maxSlicesWithoutSeam = 4;
/** Characters around a window that the pattern's lookarounds may need; no control token is longer. */
const margin = 64;

// The split patterns of GPT-2, Qwen, Llama 3 and similar tokenizers end a run of letters or digits here, and the tokens after the
// cut do not depend on the text before it.
const seam = '(?<=[\\p{L}\\p{N}])(?=[ \\n，。、；：？！]\\p{L})';

/**
 * Yields the slices of a text in order. Without a seam within four slices (8,000 characters without a space or a punctuation mark)
 * the text is cut anywhere: the tokens then spell the same text, but may differ from those of the uncut text.
 */
export function createSlicer(options: {
  /** A text can be cut right before each of these. */
  controlTokens: readonly string[];
  /** Cut also between words; false for vocabularies that mark the beginning of a text. */
  atWords: boolean;
  characters?: number;
}): (text: string) => Generator<string> {
  const { characters = sliceCharacters } = options;
  const pattern = new RegExp(
    [
      ...(options.controlTokens.length > 0 ? [`(?=${anyOf(options.controlTokens)})`] : []),
      ...(options.atWords ? [seam] : []),
      // Never matches: for a vocabulary without control tokens that is not cut at words.
      '(?!)',
    ].join('|'),
    'gu',
  );

  /** Indices in (from, to] where the text can be cut. */
  function seams(text: string, from: number, to: number): number[] {
    const start = Math.max(0, from - margin);
    return [...text.slice(start, to + margin).matchAll(pattern)]
      .map(({ index }) => start + index)
      .filter((index) => index > from && index <= to);
  }

  function nextCut(text: string, from: number): number {
    const within = seams(text, from, from + characters).at(-1);
    if (within !== undefined) return within;
    const limit = options.atWords ? from + characters * maxSlicesWithoutSeam : text.length;
    const later = seams(text, from + characters, limit).at(0);
    return later ?? (isInsidePair(text, limit) ? limit + 1 : limit);
  }

  return function* slices(text) {
    let from = 0;
    while (text.length - from > characters) {
      const to = nextCut(text, from);
      yield text.slice(from, to);
      from = to;
    }
    if (from < text.length) yield text.slice(from);
  };
}

function isInsidePair(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0xdc_00 && code <= 0xdf_ff;
}
