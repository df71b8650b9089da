/** Writes the grammar of tool calls in Qwen's form. Used by grammar.ts. */
import type { Tool } from '../../../engine.ts';
import { callClosing, callOpening } from '../../bare-calls.ts';
import { literal, type Rules, type Sequence } from './gbnf.ts';
import { writeSchema } from './json-schema.ts';
import { choose } from './sequence.ts';

const callEnd = `}\n${callClosing}`;

/** A call of one tool: the text up to its arguments, and the rest. */
export interface DescribedCall {
  readonly text: string;
  readonly rest: Sequence;
}

/** Writes the rules of the parameters. @throws ChatError `bad_request` for a tool whose parameters no grammar can hold. */
export function describeCall(rules: Rules, { name, parameters, strict }: Tool): DescribedCall {
  const where = { name: `tools: parameters of ${name}`, param: 'tools' };
  const { part } = writeSchema(rules, parameters, { strict: strict === true, ...where });
  const text = `${callOpening}\n{"name": ${JSON.stringify(name)}, "arguments": `;
  return { text, rest: [part, literal(callEnd)] };
}

/**
 * One call, or several if `parallel`. `before` is the part of the first call that the answer contains already. Undefined when no
 * tool's call begins with it.
 */
export function writeCalls(
  rules: Rules,
  calls: readonly DescribedCall[],
  options: { parallel: boolean; before: string },
): Sequence | undefined {
  const firsts = calls.flatMap(({ text, rest }) => {
    const left = restOf(text, options.before);
    return left === undefined ? [] : [{ text: left, rest }];
  });
  if (firsts.length === 0) return undefined;
  const first = rules.name('first-call');
  rules.define(first, choose(rules, firsts));
  if (!options.parallel) return [{ rule: first }];
  const next = rules.name('next-call');
  const others = calls.map(({ text, rest }) => ({ text: `\n${text}`, rest }));
  rules.define(next, choose(rules, others));
  // A token may contain both the end of a call and a line break, after which the model must not be forced to call again.
  const lineBreak = rules.name('line-break');
  rules.define(lineBreak, [[literal('\n')]]);
  return [
    { rule: first },
    { rule: next, min: 0, max: Infinity },
    { rule: lineBreak, min: 0, max: 1 },
  ];
}

/** The token that ends the opening may contain more: a newline, or a brace without a newline. */
function restOf(head: string, before: string): string | undefined {
  if (head.startsWith(before)) return head.slice(before.length);
  const begun = `${callOpening}\n${before.slice(callOpening.length).trimStart()}`;
  return head.startsWith(begun) ? head.slice(begun.length) : undefined;
}
