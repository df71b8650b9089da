/**
 * Reads an answer as it passes by: the events of a stream, or one JSON body. Holds one event, or an outline of the body, and never the
 * answer. Used by `observe-answer.ts`.
 */
import { createParser } from 'eventsource-parser';
import { PassThrough, type Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';

/** The last event of OpenAI's streams. */
export const done = Symbol('[DONE]');
export const broken = Symbol('no JSON');

/** An event or the body: as parsed, `done`, `broken`, or undefined if it is too large. */
export type OnEvent = (event: unknown) => void;

interface TextReader {
  push(text: string): void;
  /** After the last character. */
  end(): void;
}

export interface AnswerReader {
  /** Resolves when the reader takes more bytes. */
  push(bytes: Uint8Array): Promise<void>;
  /** Resolves when `onEvent` has had the last event. Damaged bytes end the events early. */
  end(): Promise<void>;
}

const decoders: Readonly<Record<string, () => Transform>> = {
  identity: () => new PassThrough(),
  br: createBrotliDecompress,
  deflate: createInflate,
  gzip: createGunzip,
  'x-gzip': createGunzip,
  zstd: createZstdDecompress,
};

/** @returns undefined for an encoding that nothing here decodes */
export function createAnswerReader(
  encoding: string | undefined,
  reader: TextReader,
): AnswerReader | undefined {
  const stream = decoders[encoding?.trim().toLowerCase() ?? 'identity']?.();
  if (stream === undefined) return undefined;
  const text = new TextDecoder();
  stream.on('data', (bytes: Uint8Array) => reader.push(text.decode(bytes, { stream: true })));
  const closed = finished(stream).catch(() => undefined);
  return {
    async push(bytes) {
      if (stream.write(bytes)) return;
      await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), closed]);
    },
    async end() {
      stream.end();
      await closed;
      reader.end();
    },
  };
}

/** Characters of an event. Responses' last event has the whole answer. */
const maxEvent = 4_194_304;

export function createStreamReader(onEvent: OnEvent): TextReader {
  const parser = createParser({
    maxBufferSize: maxEvent,
    onEvent: ({ data }) => onEvent(data.trim() === '[DONE]' ? done : parse(data)),
    onError({ type }) {
      if (type === 'max-buffer-size-exceeded') parser.reset();
    },
  });
  // Some servers do not end their last event with an empty line.
  return { push: (text) => parser.feed(text), end: () => parser.feed('\n\n') };
}

/** Enough for an id, a model's name, and the message of an error. */
const maxString = 256;
const maxDepth = 64;
const maxOutline = 65_536;

/** JSON in pieces that are kept or dropped as a whole. Half of an escape at the end of a text is none. */
const pieces = /\\u[^]{4}|\\[^u]|[^"\\{}[\],]{1,256}|["{}[\],]/gy;

/** Keeps every member, the first element of each array and the start of each string, because facts are nowhere else. */
export function createJsonReader(onEvent: OnEvent): TextReader {
  let rest = '';
  let outline = '';
  let isTooLarge = false;
  let isInString = false;
  /** Characters of the present string. */
  let characters = 0;
  const open: string[] = [];
  /** The number of open containers at the second element of an array; 0 while everything is kept. */
  let dropsAt = 0;

  function take(piece: string): void {
    if (piece === '"') {
      isInString = !isInString;
      characters = 0;
    } else if (isInString) {
      characters += piece.length;
      if (characters > maxString) return;
    } else if (piece === '{' || piece === '[') {
      open.push(piece);
    } else if (piece === '}' || piece === ']') {
      if (open.length === dropsAt) dropsAt = 0;
      open.pop();
    } else if (piece === ',' && open.at(-1) === '[' && dropsAt === 0) {
      dropsAt = open.length;
    }
    if (dropsAt === 0) outline += piece;
  }

  return {
    push(text) {
      if (isTooLarge) return;
      const all = rest + text;
      let at = 0;
      for (const [piece] of all.matchAll(pieces)) {
        take(piece);
        at += piece.length;
      }
      // Copies, because a piece of a string keeps the whole string in memory.
      rest = String(Buffer.from(all.slice(at)));
      outline = String(Buffer.from(outline));
      isTooLarge = outline.length > maxOutline || open.length > maxDepth;
    },
    end: () => onEvent(isTooLarge ? undefined : parse(outline + rest)),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return broken;
  }
}
