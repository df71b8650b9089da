/**
 * Compiles JSON schemas (draft 2020-12, and the forms of earlier drafts and of OpenAPI that clients send) to rules of a grammar. Every
 * JSON that the rules allow is valid for the schema, except for keywords that were dropped because it is not strict. They allow less
 * than the schema where a grammar has to choose: properties in the schema's order, and no undeclared ones unless the schema has
 * `additionalProperties`. Used by grammar.ts.
 */
import { ChatError } from '../../../../errors.ts';
import { writeArray } from './arrays.ts';
import { baseRule } from './base-rules.ts';
import { createCases, type Case, type CaseOptions, type Cases } from './cases.ts';
import { createDocument, type Node } from './document.ts';
import { literal, writeLanguage, type Part, type Rules, type Sequence } from './gbnf.ts';
import { annotations, isRecord, typeOfValue, valueChecks, type Schema } from './keywords.ts';
import { writeObject } from './objects.ts';
import { choose } from './sequence.ts';
import { createTexts, type Texts } from './texts.ts';
import { typesOf, valuesOf } from './types-of.ts';
import { isValid } from './values.ts';
import { work } from './work.ts';

/** Passed to the functions that write objects and arrays. */
export interface Compilation {
  readonly rules: Rules;
  readonly cases: Cases;
  readonly texts: Texts;
  readonly options: CaseOptions;
  /** The rule of JSON that is valid for all of the nodes. */
  ruleOf(nodes: readonly Node[]): Part;
}

export interface SchemaOptions {
  /** Whether a keyword that cannot be enforced is an error. Otherwise it is dropped. */
  strict: boolean;
  /** How errors name the schema, and their `param`. */
  name: string;
  param: string;
}

/** Far more than a model can follow; a schema of this size compiles in a fraction of a second. */
const maxDepth = 64;
const maxRules = 2000;
const maxValues = 10_000;

/**
 * Adds the rules of a schema. @returns the rule of its JSON, and the keywords that were dropped, with their JSON pointers.
 * @throws ChatError `bad_request` that names the keyword and its JSON pointer: for an invalid schema, for one that is too large, and
 * for a keyword that cannot be enforced if it is strict.
 */
export function writeSchema(
  rules: Rules,
  schema: unknown,
  { strict, name, param }: SchemaOptions,
): { part: Part; dropped: string[] } {
  const dropped = new Set<string>();
  const refuse = ({ pointer }: Node, sentence: string): never => {
    throw new ChatError('bad_request', `${name}: ${sentence} (at #${pointer})`, {
      param,
      recorded: `${param}: a schema that cannot be used, at #${withoutNames(pointer)}`,
    });
  };
  const options: CaseOptions = {
    refuse,
    cannotEnforce(node, keyword, remedy = 'leave it out') {
      const sentence = `"${keyword}" cannot be enforced while an answer is generated; ${remedy}, or set strict to false and check the answer yourself`;
      if (strict) refuse(node, sentence);
      dropped.add(`${keyword} at #${node.pointer}`);
      rules.dropped.add(keyword);
    },
    check: (node, keywords) => check(options, node, keywords),
  };
  const document = createDocument(schema);
  const cases = createCases(document, options);
  const compilation = createCompilation(rules, cases, options);
  const part = compilation.ruleOf([document.root]);
  if (!rules.ends(nameOf(part))) {
    refuse(document.root, 'expected a schema that finite JSON is valid for');
  }
  return { part, dropped: [...dropped] };
}

function nameOf(part: Part): string {
  return 'rule' in part ? part.rule : '';
}

function check(options: CaseOptions, node: Node, schema: Readonly<Record<string, unknown>>): void {
  for (const [keyword, value] of Object.entries(schema)) {
    // Keywords of cases.ts begin with `$` and are not in a request's schema.
    if (annotations.has(keyword) || keyword === '$not' || keyword === '$notPattern') continue;
    if (keyword === '$types') continue;
    const known = Object.hasOwn(valueChecks, keyword) ? valueChecks[keyword] : undefined;
    if (known === undefined) options.cannotEnforce(node, keyword);
    else if (!known.isValid(value)) {
      options.refuse(node, `"${keyword}": expected ${known.expected}, got ${brief(value)}`);
    }
  }
}

/** The keywords of a pointer; names that a client chose become `*`. */
function withoutNames(pointer: string): string {
  return pointer.replaceAll(/[^/]+/g, (part) => (Object.hasOwn(valueChecks, part) ? part : '*'));
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

function createCompilation(rules: Rules, cases: Cases, options: CaseOptions): Compilation {
  const names = new Map<string, string>();
  const ids = new Map<unknown, number>();
  let depth = 0;
  const idOf = (schema: unknown): number => {
    const id = ids.get(schema) ?? ids.size;
    ids.set(schema, id);
    return id;
  };
  const compilation: Compilation = {
    rules,
    cases,
    texts: createTexts(options),
    options,
    ruleOf(nodes) {
      work(10 + nodes.length);
      const distinct = [...new Map(nodes.map((node) => [node.schema, node])).values()];
      const key = distinct.map(({ schema }) => idOf(schema)).toSorted((a, b) => a - b);
      const known = names.get(key.join());
      if (known !== undefined) return { rule: known };
      const [first] = distinct;
      if (first !== undefined && (depth >= maxDepth || names.size >= maxRules)) {
        const limit = depth >= maxDepth ? `${maxDepth} levels` : `${maxRules} schemas`;
        options.refuse(first, `expected at most ${limit} of nesting`);
      }
      const name = rules.name('json');
      names.set(key.join(), name);
      depth += 1;
      rules.define(name, alternativesOf(compilation, distinct));
      depth -= 1;
      return { rule: name };
    },
  };
  return compilation;
}

function alternativesOf(compilation: Compilation, nodes: readonly Node[]): Sequence[] {
  const cases = compilation.cases.of(nodes);
  const listed: unknown[] = [];
  const alternatives = cases.flatMap((leaves) => {
    const values = valuesOf(leaves);
    if (values === undefined) return writeTypes(compilation, leaves);
    if (values.length > maxValues) {
      compilation.options.refuse(leaves[0]!, `expected at most ${maxValues} values`);
    }
    const others = leaves.map((leaf) => ({ ...leaf, schema: withoutValues(leaf.schema) }));
    listed.push(...values.filter((value) => isValid(compilation, value, others)));
    return [];
  });
  if (listed.length === 0) return alternatives;
  const texts = new Set(listed.map((value) => JSON.stringify(value)));
  const choices = [...texts].map((text) => ({ text, rest: [] }));
  return [...choose(compilation.rules, choices), ...alternatives];
}

function withoutValues(schema: Schema): Schema {
  const others = Object.entries(schema).filter(([keyword]) => !isValueKeyword(keyword));
  return Object.fromEntries(others);
}

function isValueKeyword(keyword: string): boolean {
  return keyword === 'const' || keyword === 'enum';
}

/** Every JSON, where a case says nothing. */
function writeTypes(compilation: Compilation, leaves: Case): Sequence[] {
  const types = typesOf(leaves);
  const isOpen = leaves.every(({ schema }) =>
    Object.keys(schema).every((each) => annotations.has(each)),
  );
  if (isOpen) return [[baseRule(compilation.rules, 'value')]];
  const excluded = leaves.flatMap(({ schema }) => (schema['$not'] as unknown[] | undefined) ?? []);
  return [
    ...['null', 'true', 'false']
      .filter((text) => types.has(typeOfValue(JSON.parse(text))))
      .filter((text) => !excluded.includes(JSON.parse(text)))
      .map((text) => [literal(text)]),
    ...(types.has('integer') || types.has('fraction')
      ? [[writeNumber(compilation, leaves, types)]]
      : []),
    ...(types.has('string') ? [writeString(compilation, leaves)] : []),
    ...(types.has('array') && !excluded.some((value) => Array.isArray(value))
      ? [writeArray(compilation, leaves)]
      : []),
    ...(types.has('object') && !excluded.some((value) => isRecord(value))
      ? [writeObject(compilation, leaves)]
      : []),
  ];
}

function writeNumber(
  { rules, texts }: Compilation,
  leaves: Case,
  types: ReadonlySet<string>,
): Part {
  const language = texts.numbers(leaves, types);
  if (language !== undefined) return writeLanguage(rules, language, 'plain');
  return baseRule(rules, types.has('fraction') ? 'number' : 'integer');
}

function writeString({ rules, texts }: Compilation, leaves: Case): Sequence {
  const { language, least, most } = texts.strings(leaves);
  const quote = { text: String.raw`"\""` };
  if (language !== undefined) return [quote, writeLanguage(rules, language, 'in string'), quote];
  if (least === 0 && most === Infinity) return [baseRule(rules, 'string')];
  const { rule } = baseRule(rules, 'character');
  return [quote, { rule, min: least, max: most }, quote];
}
