/**
 * Keeps what people write apart from what the model is steered by: a control token spelt in a message stays text.
 * Used by prompt.ts and slices.ts.
 */

/** A pattern that matches any of the texts, as a source for RegExp. */
export function anyOf(texts: readonly string[]): string {
  return `(?:${texts.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`;
}

export interface ControlTokens {
  readonly texts: readonly string[];
  /**
   * A copy of `value` in which no string, also no key, spells a control token: `mark` stands after the first character of
   * each. A text rendered from it is tokenised in the parts between the marks, so that no part has a token that a person
   * wrote, and all other text is tokenised as if nothing had been done.
   */
  hide<T>(value: T, mark: string): T;
}

export function createControlTokens(texts: readonly string[]): ControlTokens {
  // One character cannot be parted; no tokenizer that chats has such a control token.
  const separable = texts.filter((text) => Array.from(text).length > 1);
  // A lookahead, since one occurrence may begin within another.
  const start = separable.length > 0 ? new RegExp(`(?=${anyOf(separable)}).`, 'gsu') : /(?!)/g;

  function hide(value: unknown, mark: string): unknown {
    if (typeof value === 'string') return value.replaceAll(start, `$&${mark}`);
    if (Array.isArray(value)) return value.map((item) => hide(item, mark));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [hide(key, mark), hide(item, mark)]),
    );
  }

  return { texts: separable, hide: <T>(value: T, mark: string) => hide(value, mark) as T };
}

/** A character for private use that none of the texts has. */
export function findMark(...texts: readonly string[]): string {
  // Two planes of them: 131,068 characters, more than a request may have different ones.
  for (const [first, last] of [
    [0xe0_00, 0xf8_ff],
    [0xf_00_00, 0xf_ff_fd],
    [0x10_00_00, 0x10_ff_fd],
  ] as const) {
    for (let code = first; code <= last; code++) {
      const mark = String.fromCodePoint(code);
      if (!texts.some((text) => text.includes(mark))) return mark;
    }
  }
  throw new Error(
    'expected a private-use character that the prompt does not have, it has them all',
  );
}
