/**
 * Reads the answer of a server as it passes by: the events of a stream, or one JSON body. Keeps an outline of one event, never the answer.
 * Used by `answer-observer.ts`.
 */
import { createJsonOutline } from './json-outline.ts';

/** The outline of one event, or of the body; undefined if that is too large, `broken` if it is no JSON. */
export type OnEvent = (event: unknown) => void;

/** The last event of OpenAI's streams. */
export const done = Symbol('[DONE]');
export const broken = Symbol('no JSON');

export interface AnswerReader {
  push(bytes: Uint8Array): void;
  /** After the last byte. */
  end(): void;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const colon = 0x3a;
const space = 0x20;
const lineFeedByte = Uint8Array.of(lineFeed);
/** Longer names of fields are not `data`. */
const maxName = 8;

export function createJsonReader(onEvent: OnEvent): AnswerReader {
  const outline = createJsonOutline();
  return { push: (bytes) => outline.push(bytes), end: () => onEvent(parse(outline.take())) };
}

/** Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, of which only `data` counts. */
export function createStreamReader(onEvent: OnEvent): AnswerReader {
  const outline = createJsonOutline();
  let name = '';
  let part: 'name' | 'space' | 'value' = 'name';
  let hasData = false;
  /** The line feed after a carriage return ends no other line. */
  let skipsLineFeed = false;

  function dispatch(): void {
    const text = outline.take();
    if (hasData) onEvent(text?.trim() === '[DONE]' ? done : parse(text));
    hasData = false;
  }

  function endLine(): void {
    // A line without a value.
    if (part === 'space' || (part === 'name' && name === 'data')) beginValue();
    else if (part === 'name' && name === '') dispatch();
    name = '';
    part = 'name';
  }

  function beginValue(): void {
    part = 'value';
    if (name !== 'data') return;
    if (hasData) outline.push(lineFeedByte);
    hasData = true;
  }

  /** @returns the index after the bytes that it took. */
  function takeValue(bytes: Uint8Array, from: number): number {
    let to = from;
    while (to < bytes.length && bytes[to] !== lineFeed && bytes[to] !== carriageReturn) to += 1;
    if (name === 'data') outline.push(bytes.subarray(from, to));
    return to;
  }

  function take(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!;
    const isLineFeed = byte === lineFeed;
    const isSkipped = isLineFeed && skipsLineFeed;
    skipsLineFeed = byte === carriageReturn;
    if (isSkipped) return at + 1;
    if (isLineFeed || byte === carriageReturn) {
      endLine();
      return at + 1;
    }
    if (part === 'value') return takeValue(bytes, at);
    if (part === 'space') {
      beginValue();
      return byte === space ? at + 1 : at;
    }
    if (byte === colon) part = 'space';
    else if (name.length < maxName) name += String.fromCodePoint(byte);
    return at + 1;
  }

  return {
    push(bytes) {
      for (let at = 0; at < bytes.length;) at = take(bytes, at);
    },
    // Some servers do not end their last event with an empty line.
    end: dispatch,
  };
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return broken;
  }
}
