/**
 * Keeps control tokens out of messages: a control token that is spelled in a message is tokenized as plain text. Used by prompt.ts
 * and slices.ts.
 */

/** RegExp source that matches any of the texts. */
export function anyOf(texts: readonly string[]): string {
  return `(?:${texts.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`;
}

export function createControlTokens(texts: readonly string[]) {
  // A single character cannot be split. No chat model has such a control token.
  const separable = texts.filter((text) => Array.from(text).length > 1);
  // A lookahead, because occurrences may overlap.
  const start = separable.length > 0 ? new RegExp(`(?=${anyOf(separable)}).`, 'gsu') : /(?!)/g;

  function hide(value: unknown, mark: string): unknown {
    if (typeof value === 'string') return value.replaceAll(start, `$&${mark}`);
    if (Array.isArray(value)) return value.map((item) => hide(item, mark));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [hide(key, mark), hide(item, mark)]),
    );
  }

  return {
    texts: separable,
    /**
     * A copy of `value` in which no string and no key spells a control token: `mark` is inserted after the first character of each.
     * The rendered text is tokenized in the parts between the marks, so that no part contains a control token that a user wrote; all
     * other text gets the same tokens as without marks.
     */
    hide: <T>(value: T, mark: string) => hide(value, mark) as T,
  };
}

const privateUse = [
  [0xe0_00, 0xf8_ff],
  // The two planes alone have 131,068 characters, more than a request can contain.
  [0xf_00_00, 0xf_ff_fd],
  [0x10_00_00, 0x10_ff_fd],
] as const;

/** A private-use character that occurs in none of the texts. Each text is read once. */
export function findMark(...texts: readonly string[]): string {
  const used = new Set(texts.flatMap((text) => text.match(/\p{Co}/gu) ?? []));
  for (const [first, last] of privateUse) {
    for (let code = first; code <= last; code++) {
      const mark = String.fromCodePoint(code);
      if (!used.has(mark)) return mark;
    }
  }
  throw new Error(
    'expected a private-use character that the prompt does not have, it has them all',
  );
}
