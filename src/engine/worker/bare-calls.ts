/**
 * Finds tool calls that a small model writes without Qwen's tags: a JSON object with the name of a tool at the beginning of a line,
 * bare or after the first line of a code block. Used by answer-text.ts and by the grammar of calls, which both see every token.
 */
import type { AnswerFormat } from '../engine.ts';

/** Begins a tool call in an answer of the format `tool_calls`. */
export const callOpening = '<tool_call>';
export const callClosing = '</tool_call>';

export interface BareCalls {
  /**
   * Adds the text of a token. `undecided`: how many characters at the end of all text may belong to a call. `call`: these are one, which
   * is `call` in Qwen's form, up to its member `arguments`.
   */
  push(text: string): { undecided: number; call?: string };
}

// A candidate is longer only if white space without end follows its brace.
const maxUndecided = 256;
const blockStart = /^\s*(?:`{1,2}$|`{3}\w*[^\S\n]*(?:$|\n))/;

/** Undefined for a format in which only a call with tags is one, as beside JSON of the format `otherwise`. */
export function bareCallsOf(format: AnswerFormat | undefined): BareCalls | undefined {
  if (format?.kind !== 'tool_calls' || format.lenient !== true) return undefined;
  const isFree = format.choice === 'auto' && format.otherwise === undefined;
  return isFree ? createBareCalls(format.tools.map(({ name }) => name)) : undefined;
}

export function createBareCalls(names: readonly string[]): BareCalls {
  /** The text since the last line break that may begin a call; undefined within a line that does not. */
  let candidate: string | undefined = '';
  return {
    push(text) {
      candidate = candidate === undefined ? lineAfter(text) : candidate + text;
      while (candidate !== undefined) {
        const found = readCall(candidate, names);
        const undecided = candidate.length;
        if (found === null) return { undecided };
        if (found !== undefined) {
          candidate = undefined;
          return { undecided, call: found };
        }
        candidate = lineAfter(candidate);
      }
      return { undecided: 0 };
    },
  };
}

function lineAfter(text: string): string | undefined {
  const at = text.indexOf('\n');
  return at === -1 ? undefined : text.slice(at + 1);
}

/** A call, null as long as it may become one, undefined for other text. */
function readCall(text: string, names: readonly string[]): string | null | undefined {
  if (text.length > maxUndecided) return undefined;
  const [start = ''] = blockStart.exec(text) ?? [];
  const rest = text.slice(start.length);
  if (rest.trim() === '') return null;
  const found = names.map((name) => readCallOf(rest, JSON.stringify(name)));
  return found.find((one) => typeof one === 'string') ?? found.find((one) => one === null);
}

function readCallOf(text: string, name: string): string | null | undefined {
  let at = 0;
  for (const part of ['{', '"name"', ':', name, ',', '"arguments']) {
    at = text.length - text.slice(at).trimStart().length;
    const rest = text.slice(at);
    if (!rest.startsWith(part)) return part.startsWith(rest) ? null : undefined;
    at += part.length;
  }
  // Where the grammar takes over, it has to know how the arguments begin.
  const rest = text.slice(at).replaceAll(/\s/g, '');
  if (!'":'.startsWith(rest)) return undefined;
  return `${callOpening}\n{"name": ${name}, "arguments${rest}${rest === '":' ? ' ' : ''}`;
}
