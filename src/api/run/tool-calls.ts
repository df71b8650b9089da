/**
 * Parses tool calls out of an answer as it streams: Qwen's `<tool_call>{"name": ..., "arguments": ...}</tool_call>` becomes a call,
 * everything else is content. A malformed call is content too, so that no text is lost; one that the end of the answer cuts before
 * its arguments is dropped.
 */
import { randomUUID } from 'node:crypto';

/** A piece of an answer as OpenAI streams it. The `arguments` deltas of one call concatenate to the text of a JSON object. */
export type Delta =
  | { type: 'content'; text: string }
  | { type: 'call'; index: number; id: string; name: string }
  | { type: 'arguments'; index: number; text: string };

/** The content and the calls do not depend on how the text is cut into pieces. */
export interface AnswerParser {
  push(text: string): Delta[];
  /** The deltas that were held back, at the end of the answer. */
  finish(): Delta[];
  calls(): number;
}

/** For answers without tools. */
export function createTextParser(): AnswerParser {
  return {
    push: (text) => (text === '' ? [] : [{ type: 'content', text }]),
    finish: () => [],
    calls: () => 0,
  };
}

export function createToolCallParser(): AnswerParser {
  const parser = createParser();
  return {
    push(text) {
      parser.held += text;
      while (steps[parser.state](parser));
      return parser.deltas.splice(0);
    },
    finish() {
      const rest = take(parser, parser.held.length);
      // White space and an unfinished opening tag. A single "<" may be content; white space after a call is not.
      const isTag = rest.trimStart().length > 1;
      const isBlank = parser.calls > 0 && rest.trim() === '';
      if (parser.state === 'content') emitContent(parser, isTag || isBlank ? '' : rest);
      else if (parser.state === 'close' && !unfinishedClose.test(rest)) emitContent(parser, rest);
      return parser.deltas.splice(0);
    },
    calls: () => parser.calls,
  };
}

function createParser() {
  return {
    /** `header`: from the opening tag to the arguments. `close`: from the end of the arguments to the closing tag. */
    state: 'content' as 'content' | 'header' | 'arguments' | 'close',
    /** Text that is not part of a delta yet. */
    held: '',
    /** Calls so far. */
    calls: 0,
    /** State of the parser within the arguments of the current call. */
    position: { depth: 0, inString: false, escaped: false },
    /** Deltas since the last `push`. */
    deltas: [] as Delta[],
  };
}

type Parser = ReturnType<typeof createParser>;

const open = '<tool_call>';
const close = '</tool_call>';
const unfinishedClose = /^\s*(\}\s*(<\/?[a-z_]*)?)?$/;
const header = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

/** Each parser consumes a part of `held` and returns whether it changed the state. After a change the next parser runs. */
const steps = {
  content: readContent,
  header: readHeader,
  arguments: readArguments,
  close: readClose,
} satisfies Record<Parser['state'], (parser: Parser) => boolean>;

function readContent(parser: Parser): boolean {
  const at = parser.held.indexOf(open);
  if (at === -1) {
    emitContent(parser, take(parser, parser.held.length - countUndecided(parser.held)));
    return false;
  }
  // The line break before a call belongs to the template.
  emitContent(parser, take(parser, at).trimEnd());
  take(parser, open.length);
  parser.state = 'header';
  return true;
}

function readHeader(parser: Parser): boolean {
  const [text, nameJson] = header.exec(parser.held) ?? [];
  const name = parseJson(nameJson ?? '') as string | undefined;
  if (text !== undefined && name !== undefined) {
    take(parser, text.length);
    emitCall(parser, name);
    parser.position = { depth: 0, inString: false, escaped: false };
    parser.state = 'arguments';
    return true;
  }
  const inside = takeUntilClose(parser);
  if (inside === undefined) return false;
  emitWholeCall(parser, inside);
  parser.state = 'content';
  return true;
}

function readArguments(parser: Parser): boolean {
  const end = findObjectEnd(parser.position, parser.held);
  emitArguments(parser, take(parser, end ?? parser.held.length));
  if (end === undefined) return false;
  parser.state = 'close';
  return true;
}

function readClose(parser: Parser): boolean {
  const rest = takeUntilClose(parser);
  if (rest === undefined) return false;
  // Only the brace that ends the call is expected here; other text is kept.
  if (rest.trim() !== '}') emitContent(parser, rest);
  parser.state = 'content';
  return true;
}

/** Removes and returns the first `length` characters of the held text. */
function take(parser: Parser, length: number): string {
  const text = parser.held.slice(0, length);
  parser.held = parser.held.slice(length);
  return text;
}

/** Removes the held text up to and with the closing tag; undefined while there is none. */
function takeUntilClose(parser: Parser): string | undefined {
  const end = parser.held.indexOf(close);
  if (end === -1) return undefined;
  const text = take(parser, end);
  take(parser, close.length);
  return text;
}

function emitContent({ deltas }: Parser, text: string): void {
  if (text !== '') deltas.push({ type: 'content', text });
}

function emitCall(parser: Parser, name: string): void {
  const id = `call_${randomUUID().replaceAll('-', '')}`;
  parser.deltas.push({ type: 'call', index: parser.calls, id, name });
  parser.calls += 1;
}

function emitArguments({ deltas, calls }: Parser, text: string): void {
  if (text !== '') deltas.push({ type: 'arguments', index: calls - 1, text });
}

/** The text between the tags is a call too when its members are in another order than usual. */
function emitWholeCall(parser: Parser, text: string): void {
  const call = parseJson(text) as { name?: unknown; arguments?: unknown } | null | undefined;
  const given = call?.arguments ?? {};
  if (typeof call?.name !== 'string' || typeof given !== 'object' || Array.isArray(given)) {
    return emitContent(parser, `${open}${text}${close}`);
  }
  emitCall(parser, call.name);
  emitArguments(parser, JSON.stringify(given));
}

/** Characters at the end of `text` that may turn out to be the opening tag or white space before it. */
function countUndecided(text: string): number {
  let tag = Math.min(open.length - 1, text.length);
  while (tag > 0 && !text.endsWith(open.slice(0, tag))) tag -= 1;
  const before = text.slice(0, text.length - tag);
  return tag + before.length - before.trimEnd().length;
}

/** Index after the end of a JSON object that may have begun in an earlier text; undefined while it goes on. */
function findObjectEnd(position: Parser['position'], text: string): number | undefined {
  for (let at = 0; at < text.length; at += 1) {
    advance(position, text[at]!);
    if (position.depth === 0) return at + 1;
  }
  return undefined;
}

function advance(position: Parser['position'], character: string): void {
  if (position.escaped) position.escaped = false;
  else if (position.inString) {
    position.escaped = character === '\\';
    position.inString = character !== '"';
  } else if (character === '"') position.inString = true;
  else if (character === '{' || character === '[') position.depth += 1;
  else if (character === '}' || character === ']') position.depth -= 1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
