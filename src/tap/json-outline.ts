/**
 * Keeps the outline of a JSON text that passes by: every member, the first elements of each array, the start of each string. What it
 * keeps is JSON of bounded size, however long the text is. Used by `answer-reader.ts`.
 */

/** Enough for an id, a model's name, and the message of an error. */
const maxString = 256;
/** Embeddings, log-probabilities and choices are lists; facts are in their first elements or outside of them. */
const maxElements = 4;
const maxDepth = 64;
const maxKept = 65_536;

const quote = 0x22;
const comma = 0x2c;
const openArray = 0x5b;
const backslash = 0x5c;
const closeArray = 0x5d;
const lowerU = 0x75;
const openObject = 0x7b;
const closeObject = 0x7d;

const afterBackslash = -1;

export interface JsonOutline {
  push(bytes: Uint8Array): void;
  /** The outline since the last call; undefined if it is too large. */
  take(): string | undefined;
}

export function createJsonOutline(): JsonOutline {
  let kept = Buffer.allocUnsafe(1024);
  let length = 0;
  let isTooLarge = false;
  let isInString = false;
  /** Bytes of the present string, an escape counted as one. */
  let characters = 0;
  /** Bytes until the present escape ends, or `afterBackslash`. */
  let escapeLeft = 0;
  /** The open containers: the elements of an array so far, -1 for an object. */
  let open: number[] = [];
  /** The number of open containers at which an array became too long; 0 while everything is kept. */
  let dropsAt = 0;

  function keep(byte: number): void {
    if (dropsAt > 0 || isTooLarge) return;
    if (length === kept.length) {
      if (length >= maxKept) {
        isTooLarge = true;
        return;
      }
      kept = Buffer.concat([kept, Buffer.allocUnsafe(length)]);
    }
    kept[length] = byte;
    length += 1;
  }

  /** An escape is kept or dropped as a whole, because half of one is no JSON. */
  function takeStringByte(byte: number): void {
    if (escapeLeft !== 0) {
      if (escapeLeft > 0) escapeLeft -= 1;
      else escapeLeft = byte === lowerU ? 4 : 0;
    } else if (byte === quote) {
      isInString = false;
      keep(byte);
      return;
    } else {
      characters += 1;
      if (byte === backslash) escapeLeft = afterBackslash;
    }
    if (characters <= maxString) keep(byte);
  }

  function take(byte: number): void {
    if (isInString) {
      takeStringByte(byte);
      return;
    }
    if (byte === quote) {
      isInString = true;
      characters = 0;
    } else if (byte === openObject || byte === openArray) {
      if (open.length >= maxDepth) isTooLarge = true;
      else open.push(byte === openArray ? 0 : -1);
    } else if (byte === closeObject || byte === closeArray) {
      if (open.length === dropsAt) dropsAt = 0;
      open.pop();
    } else if (byte === comma) {
      const elements = open.at(-1) ?? -1;
      if (elements >= 0) {
        open[open.length - 1] = elements + 1;
        if (elements + 1 >= maxElements && dropsAt === 0) dropsAt = open.length;
      }
    }
    keep(byte);
  }

  return {
    push(bytes) {
      // Not for-of, which is several times slower on bytes.
      for (let at = 0; at < bytes.length; at += 1) take(bytes[at]!);
    },
    take() {
      const text = isTooLarge ? undefined : kept.toString('utf8', 0, length);
      length = 0;
      isTooLarge = false;
      isInString = false;
      escapeLeft = 0;
      open = [];
      dropsAt = 0;
      return text;
    },
  };
}
