/** The rules of JSON without limits. */
import { literal, type Rules, type Sequence } from './gbnf.ts';

const space: Sequence = [{ rule: 'space' }];
const comma: Sequence = [literal(','), ...space];
/** The sampler would otherwise let a model write whitespace without end. */
const maxIndent = 20;
/** Numbers that JavaScript reads exactly. */
const whole = '("0" | [1-9] [0-9]{0,14})';

const definitions: Readonly<Record<string, readonly Sequence[]>> = {
  space: [[], [literal(' ')], [{ text: String.raw`"\n" [ \t]{0,${maxIndent}}` }]],
  /**
   * Not 1E to 7F, which only JSON's writers escape, nor surrogates, of which two would count as one character. llama.cpp itself
   * accepts overlong UTF-8.
   */
  character: [
    [{ text: String.raw`[ !#-[\]-~\x80-\uD7FF\uE000-\U0010FFFF]` }],
    [
      {
        text: String.raw`"\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))`,
      },
    ],
  ],
  string: [[literal('"'), { rule: 'character', min: 0, max: Infinity }, literal('"')]],
  integer: [[{ text: '"0"' }], [{ text: '"-"? [1-9] [0-9]{0,14}' }]],
  number: [[{ text: String.raw`"-"? ${whole} ("." [0-9]{1,16})? ([eE] [-+]? [0-9] [0-9]?)?` }]],
  object: [[literal('{'), ...space, { rule: 'members', min: 0 }, literal('}')]],
  members: [[{ rule: 'member' }, { rule: 'more-members', min: 0, max: Infinity }, ...space]],
  'more-members': [[...comma, { rule: 'member' }]],
  member: [[{ rule: 'string' }, literal(':'), ...space, { rule: 'value' }]],
  array: [[literal('['), ...space, { rule: 'items', min: 0 }, literal(']')]],
  items: [[{ rule: 'value' }, { rule: 'more-items', min: 0, max: Infinity }, ...space]],
  'more-items': [[...comma, { rule: 'value' }]],
  value: [
    ...['object', 'array', 'string', 'number'].map((rule) => [{ rule }]),
    ...['true', 'false', 'null'].map((text) => [literal(text)]),
  ],
};

export type BaseRule =
  | 'space'
  | 'character'
  | 'string'
  | 'integer'
  | 'number'
  | 'object'
  | 'array'
  | 'value';

/** Defines the rule, and those that it uses, unless they are. */
export function baseRule(rules: Rules, name: BaseRule): { rule: string } {
  define(rules, name);
  return { rule: name };
}

function define(rules: Rules, name: string): void {
  if (rules.has(name)) return;
  const alternatives = definitions[name]!;
  rules.define(name, alternatives);
  for (const part of alternatives.flat()) if ('rule' in part) define(rules, part.rule);
}
