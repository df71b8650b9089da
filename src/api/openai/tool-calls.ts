/**
 * Reads tool calls out of an answer while it is written: Qwen's `<tool_call>{"name": ..., "arguments": ...}</tool_call>`
 * becomes calls, everything else is content. A call of any other form is content too, so that nothing is lost.
 */
import { randomUUID } from 'node:crypto';

/** A piece of an answer as OpenAI streams it. The `arguments` of one call, put together, are the text of an object. */
export type Delta =
  | { type: 'content'; text: string }
  | { type: 'call'; index: number; id: string; name: string }
  | { type: 'arguments'; index: number; text: string };

/** Any cut of a text into pieces gives the same content and the same calls. */
export interface AnswerParser {
  push(text: string): Delta[];
  /** What was held back, when the answer is over. */
  finish(): Delta[];
  calls(): number;
}

const open = '<tool_call>';
const close = '</tool_call>';
/** Up to where the arguments begin. */
const header = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

/** For answers without tools. */
export function createTextParser(): AnswerParser {
  return {
    push: (text) => (text === '' ? [] : [{ type: 'content', text }]),
    finish: () => [],
    calls: () => 0,
  };
}

export function createToolCallParser(): AnswerParser {
  let state: 'content' | 'header' | 'arguments' | 'end' = 'content';
  /** Text that came and is not given out yet. */
  let held = '';
  let calls = 0;
  let scanner = createObjectScanner();
  let deltas: Delta[] = [];

  const giveContent = (text: string): void => {
    if (text !== '') deltas.push({ type: 'content', text });
  };
  const giveArguments = (text: string): void => {
    if (text !== '') deltas.push({ type: 'arguments', index: calls - 1, text });
  };
  const beginCall = (name: string): void => {
    const id = `call_${randomUUID().replaceAll('-', '')}`;
    deltas.push({ type: 'call', index: calls, id, name });
    calls += 1;
  };

  /** Each takes what it can from `held` and tells whether the state changed, so that there may be more to take. */
  const take = {
    content(): boolean {
      const at = held.indexOf(open);
      if (at === -1) {
        const safe = held.length - heldBack(held);
        giveContent(held.slice(0, safe));
        held = held.slice(safe);
        return false;
      }
      // The line break before a call belongs to the template.
      giveContent(held.slice(0, at).trimEnd());
      held = held.slice(at + open.length);
      state = 'header';
      return true;
    },
    header(): boolean {
      const found = header.exec(held);
      const name = found === null ? undefined : parseName(found[1]!);
      if (found !== null && name !== undefined) {
        beginCall(name);
        held = held.slice(found[0].length);
        scanner = createObjectScanner();
        state = 'arguments';
        return true;
      }
      const end = held.indexOf(close);
      if (end === -1) return false;
      giveWholeCall(held.slice(0, end));
      held = held.slice(end + close.length);
      state = 'content';
      return true;
    },
    arguments(): boolean {
      const end = scanner.scan(held);
      giveArguments(held.slice(0, end));
      held = held.slice(end ?? held.length);
      if (end === undefined) return false;
      state = 'end';
      return true;
    },
    end(): boolean {
      const end = held.indexOf(close);
      if (end === -1) return false;
      giveRest(held.slice(0, end));
      held = held.slice(end + close.length);
      state = 'content';
      return true;
    },
  };

  /** A call that was not written in the usual order can still be one. */
  function giveWholeCall(text: string): void {
    const call = parseCall(text);
    if (call === undefined) return giveContent(`${open}${text}${close}`);
    beginCall(call.name);
    giveArguments(call.arguments);
  }

  /** After the arguments comes the brace of the call; whatever else stands there is kept. */
  function giveRest(text: string): void {
    if (text.trim() !== '}') giveContent(text);
  }

  function drain(): Delta[] {
    const given = deltas;
    deltas = [];
    return given;
  }

  return {
    push(text) {
      held += text;
      while (take[state]());
      return drain();
    },
    finish() {
      if (state === 'header') giveContent(open + held);
      else if (state === 'end') giveRestAtEnd(held);
      else giveContent(held);
      held = '';
      return drain();
    },
    calls: () => calls,
  };

  function giveRestAtEnd(text: string): void {
    if (!/^\s*(\}\s*(<\/?[a-z_]*)?)?$/.test(text)) giveContent(text);
  }
}

/** How much of the end of `text` may turn out to be, or to stand before, the opening tag. */
function heldBack(text: string): number {
  let tag = Math.min(open.length - 1, text.length);
  while (tag > 0 && !text.endsWith(open.slice(0, tag))) tag -= 1;
  const before = text.slice(0, text.length - tag);
  return tag + before.length - before.trimEnd().length;
}

/** Finds where a JSON object ends, whichever way its text is cut. */
function createObjectScanner(): { scan(text: string): number | undefined } {
  let depth = 0;
  let inString = false;
  let escaped = false;
  return {
    scan(text) {
      for (let at = 0; at < text.length; at += 1) {
        const character = text[at]!;
        if (inString) {
          if (escaped) escaped = false;
          else if (character === '\\') escaped = true;
          else if (character === '"') inString = false;
        } else if (character === '"') inString = true;
        else if (character === '{' || character === '[') depth += 1;
        else if (character === '}' || character === ']') depth -= 1;
        if (depth === 0) return at + 1;
      }
      return undefined;
    },
  };
}

function parseName(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    return undefined;
  }
}

function parseCall(text: string): { name: string; arguments: string } | undefined {
  try {
    const call = JSON.parse(text) as { name?: unknown; arguments?: unknown } | null;
    if (typeof call?.name !== 'string') return undefined;
    const given = call.arguments ?? {};
    if (typeof given !== 'object' || Array.isArray(given)) return undefined;
    return { name: call.name, arguments: JSON.stringify(given) };
  } catch {
    return undefined;
  }
}
