/** Builds the grammar of tool calls in Qwen's form. Used by grammar.ts. */

export const callOpening = '<tool_call>';
const callEnd = '}\n</tool_call>';

export interface ToolGrammar {
  name: string;
  /** Grammar of its arguments. */
  grammar: string;
}

/**
 * One call, or several if `parallel`. `before` is the part of the first call that the answer contains already. Undefined when no
 * tool's call begins with it.
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

/** The token that ends the opening may contain more: a newline, or a brace without a newline. */
function restOf(head: string, before: string): string | undefined {
  if (head.startsWith(before)) return head.slice(before.length);
  const begun = `${callOpening}\n${before.slice(callOpening.length).trimStart()}`;
  return head.startsWith(begun) ? head.slice(begun.length) : undefined;
}

function callOf(head: string, index: number): string {
  // GBNF has the escapes of JSON.
  return `${JSON.stringify(head)} ${renamed('root', index)} ${JSON.stringify(callEnd)}`;
}

// Literals and character classes are matched so that they are skipped.
const literalOrName = /"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[a-z][a-z0-9-]*/gi;

/** Gives the rules of each grammar their own names, so that several grammars fit into one. */
function renameRules(grammar: string, index: number): string {
  return grammar.replaceAll(literalOrName, (found) =>
    /^[a-z]/i.test(found) ? renamed(found, index) : found,
  );
}

function renamed(rule: string, index: number): string {
  return `${rule}-t${index}`;
}
