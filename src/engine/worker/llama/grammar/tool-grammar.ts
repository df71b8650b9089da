/** The grammar of tool calls in Qwen's form. Used by grammar.ts. */

export const callOpening = '<tool_call>';
const callEnd = '}\n</tool_call>';

export interface ToolGrammar {
  name: string;
  /** Of its arguments. */
  grammar: string;
}

/**
 * One call, or several where they may be parallel. `before` is what the text has of the first call already; undefined
 * where that begins a call of none of the tools.
 */
export function callsGrammar(
  tools: readonly ToolGrammar[],
  options: { parallel: boolean; before: string },
): string | undefined {
  const heads = tools.map(
    ({ name }) => `${callOpening}\n{"name": ${JSON.stringify(name)}, "arguments": `,
  );
  const firsts = heads.flatMap((head, index) => {
    const rest = restOf(head, options.before);
    return rest === undefined ? [] : [callOf(rest, index)];
  });
  if (firsts.length === 0) return undefined;
  return [
    `root ::= (${firsts.join(' | ')})${options.parallel ? String.raw` ("\n" call)*` : ''}`,
    `call ::= ${heads.map((head, index) => callOf(head, index)).join(' | ')}`,
    ...tools.map(({ grammar }, index) => renameRules(grammar, index)),
  ].join('\n');
}

/** A token may hold the opening's end and more: a newline, or a brace without one. */
function restOf(head: string, before: string): string | undefined {
  if (head.startsWith(before)) return head.slice(before.length);
  const begun = `${callOpening}\n${before.slice(callOpening.length).trimStart()}`;
  return head.startsWith(begun) ? head.slice(begun.length) : undefined;
}

function callOf(head: string, index: number): string {
  return `${quote(head)} ${renamed('root', index)} ${quote(callEnd)}`;
}

/** JSON's escapes are also those of a grammar. */
function quote(text: string): string {
  return JSON.stringify(text);
}

// Literals and character classes are left as they are.
const literalOrName = /"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[a-z][a-z0-9-]*/gi;

/** So that the rules of several grammars can stand in one. */
function renameRules(grammar: string, index: number): string {
  return grammar.replaceAll(literalOrName, (found) =>
    /^[a-z]/i.test(found) ? renamed(found, index) : found,
  );
}

function renamed(rule: string, index: number): string {
  return `${rule}-t${index}`;
}
