/**
 * Cuts a text where a byte-level BPE tokenizer cuts it anyway, so that a long prompt can be tokenised a few
 * milliseconds at a time and nobody who decodes waits for it. Used by prompt.ts.
 */
import { anyOf } from './control-tokens.ts';

/** 1 ms of llama.cpp's tokenizer for English, 3 for Chinese. */
const sliceCharacters = 2000;
/** How many slices long a text may be without a seam before it is cut anywhere. */
const patience = 4;
/** What the pattern's lookarounds need to see around a window; no control token is longer. */
const margin = 64;

// The patterns by which GPT-2, Qwen, Llama 3 and their kin split a text all end a run of letters or digits here, and
// nothing behind the cut depends on what is before it.
const seam = '(?<=[\\p{L}\\p{N}])(?=[ \\n，。、；：？！]\\p{L})';

export interface SlicerOptions {
  /** Right before one of these is always a place to cut. */
  controlTokens: readonly string[];
  /** Also between words; false for vocabularies that mark the beginning of a text. */
  atWords: boolean;
  characters?: number;
}

/**
 * Gives the slices of a text, in order. Where there is no seam within four slices (8,000 characters without a space
 * or a punctuation mark) a text is cut anywhere: the tokens then spell the same text, but may not be those of the uncut
 * one.
 */
export function createSlicer(options: SlicerOptions): (text: string) => Generator<string> {
  const { characters = sliceCharacters } = options;
  const pattern = new RegExp(
    [
      ...(options.controlTokens.length > 0 ? [`(?=${anyOf(options.controlTokens)})`] : []),
      ...(options.atWords ? [seam] : []),
      // Never matches, for a vocabulary with neither.
      '(?!)',
    ].join('|'),
    'gu',
  );

  /** The places to cut in (from, to]. */
  function seams(text: string, from: number, to: number): number[] {
    const start = Math.max(0, from - margin);
    return [...text.slice(start, to + margin).matchAll(pattern)]
      .map(({ index }) => start + index)
      .filter((index) => index > from && index <= to);
  }

  function nextCut(text: string, from: number): number {
    const within = seams(text, from, from + characters).at(-1);
    if (within !== undefined) return within;
    const limit = options.atWords ? from + characters * patience : text.length;
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
