/**
 * Takes a schema apart into cases: lists of schemas without combining keywords (`allOf`, `anyOf`, `not`, `$ref` ...). JSON is valid
 * when it is valid for every schema of one case. Used by json-schema.ts.
 */
import type { Document, Node } from './document.ts';
import { excludes, missingName } from './exclusion.ts';
import { isRecord, type Schema } from './keywords.ts';
import { negations } from './negations.ts';
import { describeUnevaluated } from './unevaluated.ts';
import { work } from './work.ts';

/** A node whose schema has no combining keyword. */
export interface Leaf extends Node {
  readonly schema: Schema;
  /** Whether it only says what must not be: it evaluates nothing in the sense of `unevaluatedProperties`. */
  readonly isNegation?: boolean;
}

export type Case = readonly Leaf[];

export interface Cases {
  /**
   * The cases of all `nodes` at once; none where nothing is valid for all.
   * @throws ChatError `bad_request` when there are too many.
   */
  of(nodes: readonly Node[]): readonly Case[];
  below: Document['below'];
}

export interface CaseOptions {
  /** Called for each keyword that a grammar cannot hold. @throws ChatError where that is an error. */
  cannotEnforce(node: Node, keyword: string, remedy?: string): void;
  /** Keywords and values of a schema that are seen for the first time. @throws ChatError for an invalid value. */
  check(node: Node, schema: Schema): void;
  /** @throws ChatError `bad_request`. */
  refuse(node: Node, sentence: string): never;
}

/** Each is an alternative at one place of the grammar, and the sampler tries each token of the vocabulary with each. */
const maxCases = 64;

interface State {
  readonly document: Document;
  readonly options: CaseOptions;
  /** Undefined while a schema is being taken apart. */
  readonly cases: Map<unknown, readonly Case[] | undefined>;
  readonly negations: Map<unknown, readonly Node[] | undefined>;
  /** Schemas made here, so that the same parts give the same object each time, and recursion ends. */
  readonly made: Map<string, Schema>;
  readonly ids: Map<unknown, number>;
}

export function createCases(document: Document, options: CaseOptions): Cases {
  const state: State = {
    document,
    options,
    cases: new Map(),
    negations: new Map(),
    made: new Map(),
    ids: new Map(),
  };
  return { of: (nodes) => all(state, nodes), below: document.below };
}

function all(state: State, nodes: readonly Node[]): readonly Case[] {
  // Each product copies what the ones before have gathered.
  work(nodes.length ** 2 / 10);
  return nodes.reduce<readonly Case[]>(
    (cases, node) =>
      cases.length === 0 ? cases : product(state, cases, expand(state, node), node),
    [[]],
  );
}

function product(
  state: State,
  one: readonly Case[],
  two: readonly Case[],
  node: Node,
): readonly Case[] {
  work((two.length * sizeOf(one) + one.length * sizeOf(two)) / 4);
  const crossed = one.flatMap((each) => two.map((other) => [...new Set([...each, ...other])]));
  const distinct = new Map(crossed.map((each) => [keyOf(state, each), each]));
  if (distinct.size > maxCases) {
    const sentence = `expected at most ${maxCases} combinations of alternatives`;
    state.options.refuse(node, sentence);
  }
  return [...distinct.values()];
}

function sizeOf(cases: readonly Case[]): number {
  return cases.reduce((sum, leaves) => sum + 1 + leaves.length, 0);
}

function keyOf({ ids }: State, leaves: Case): string {
  return leaves
    .map(({ schema }) => {
      const id = ids.get(schema) ?? ids.size;
      ids.set(schema, id);
      return id;
    })
    .toSorted((a, b) => a - b)
    .join();
}

function expand(state: State, node: Node): readonly Case[] {
  const { schema } = node;
  if (schema === true) return [[]];
  if (!isRecord(schema)) return [];
  if (state.cases.has(schema)) {
    // A schema that refers to itself without a value in between describes nothing.
    return state.cases.get(schema) ?? [];
  }
  state.cases.set(schema, undefined);
  const cases = expandKeywords(state, node, schema);
  state.cases.set(schema, cases);
  return cases;
}

function expandKeywords(state: State, node: Node, schema: Schema): readonly Case[] {
  state.options.check(node, schema);
  const { nullable, unevaluatedProperties, unevaluatedItems, ...rest } = schema;
  const combined = Object.keys(combinations).filter((keyword) => rest[keyword] !== undefined);
  const plain = Object.entries(rest).filter(([keyword]) => !(keyword in combinations));
  const own: Leaf = {
    ...node,
    schema: make(state, `${idOf(state, schema)} plain`, () => Object.fromEntries(plain)),
  };
  let cases: readonly Case[] = plain.length === 0 ? [[]] : [[own]];
  for (const keyword of combined) {
    if (cases.length === 0) return cases;
    const parts = combinations[keyword]!({ state, node, schema: rest, value: rest[keyword] });
    cases = product(state, cases, parts, node);
  }
  if (unevaluatedProperties !== undefined || unevaluatedItems !== undefined) {
    cases = cases.map((each) => [...each, unevaluated(state, node, schema, each)]);
  }
  return nullable === true ? [...cases, [{ ...node, schema: onlyNull }]] : cases;
}

const onlyNull: Schema = { type: 'null' };

function idOf(state: State, schema: unknown): string {
  const id = state.ids.get(schema) ?? state.ids.size;
  state.ids.set(schema, id);
  return String(id);
}

function make(state: State, key: string, create: () => Schema): Schema {
  const made = state.made.get(key) ?? create();
  state.made.set(key, made);
  return made;
}

interface Combination {
  state: State;
  node: Node;
  schema: Schema;
  value: unknown;
}

/** The cases that each combining keyword stands for. */
const combinations: Readonly<Record<string, (combination: Combination) => readonly Case[]>> = {
  $ref({ state, node, value }) {
    const target = state.document.resolve(String(value), node.base);
    if (target === undefined) {
      const sentence = `expected a reference within the schema, such as "#/$defs/name", got ${JSON.stringify(value)}`;
      return state.options.refuse(node, sentence);
    }
    return expand(state, target);
  },
  allOf: ({ state, node, value }) => all(state, list(state, node, 'allOf', value)),
  anyOf: ({ state, node, value }) => any(state, node, list(state, node, 'anyOf', value)),
  oneOf: ({ state, node, value }) => one(state, node, list(state, node, 'oneOf', value)),
  not: ({ state, node, value }) => anyNegation(state, node, below(state, node, value, 'not')),
  if({ state, node, schema, value }) {
    const condition = below(state, node, value, 'if');
    const branch = (keyword: 'then' | 'else'): Node[] =>
      schema[keyword] === undefined ? [] : [below(state, node, schema[keyword], keyword)];
    const holds = all(state, [condition, ...branch('then')]);
    const others = product(
      state,
      anyNegation(state, node, condition),
      all(state, branch('else')),
      node,
    );
    return bounded(state, node, [...holds, ...others]);
  },
  dependentRequired: ({ state, node, value }) =>
    dependencies(state, node, 'dependentRequired', value as Schema),
  dependentSchemas: ({ state, node, value }) =>
    dependencies(state, node, 'dependentSchemas', value as Schema),
  dependencies: ({ state, node, value }) =>
    dependencies(state, node, 'dependencies', value as Schema),
};

function list(state: State, node: Node, keyword: string, value: unknown): Node[] {
  return (value as unknown[]).map((each, at) => below(state, node, each, keyword, at));
}

function below(state: State, node: Node, ...path: [unknown, ...(string | number)[]]): Node {
  return state.document.below(node, ...path);
}

function bounded(state: State, node: Node, cases: readonly Case[]): readonly Case[] {
  return product(state, [[]], cases, node);
}

function any(state: State, node: Node, alternatives: readonly Node[]): readonly Case[] {
  const cases: Case[] = [];
  for (const each of alternatives) {
    cases.push(...expand(state, each));
    if (cases.length > maxCases) bounded(state, node, cases);
  }
  return bounded(state, node, cases);
}

function anyNegation(state: State, node: Node, negated: Node): readonly Case[] {
  const cases = any(state, node, negate(state, negated));
  return cases.map((leaves) =>
    leaves.map(({ schema, base, pointer }) => ({ schema, base, pointer, isNegation: true })),
  );
}

/** A case of one alternative is valid for no other one: by what it says already, or by a further condition. */
function one(state: State, node: Node, alternatives: readonly Node[]): readonly Case[] {
  // Each is compared with each other one.
  work(5 * alternatives.length ** 2);
  const cases = alternatives.map((each) => expand(state, each));
  const exclusive = alternatives.map((_, at) =>
    alternatives.reduce<readonly Case[]>((kept, other, index) => {
      if (index === at) return kept;
      const isApart = kept.every((each) =>
        cases[index]!.every((foreign) =>
          excludes(each, foreign, (nodes) => all(state, nodes), state.document.below),
        ),
      );
      if (isApart) return kept;
      const missing = missingName(kept, cases[index]!);
      if (missing !== undefined) {
        const absent = make(state, `absent ${missing}`, () => ({
          properties: { [missing]: false },
        }));
        return product(state, kept, [[{ ...node, schema: absent }]], node);
      }
      return product(state, kept, anyNegation(state, node, other), node);
    }, cases[at]!),
  );
  if (exclusive.some((each, at) => each.length === 0 && cases[at]!.length > 0)) {
    state.options.cannotEnforce(node, 'oneOf', 'write anyOf where several may hold');
    return bounded(state, node, cases.flat());
  }
  return bounded(state, node, exclusive.flat());
}

/** With each dependency the name is absent, or the dependency holds. */
function dependencies(state: State, node: Node, keyword: string, value: Schema): readonly Case[] {
  return Object.entries(value).reduce<readonly Case[]>(
    (cases, [name, dependency]) => {
      const key = `${idOf(state, value)} ${keyword} ${name}`;
      const absent = make(state, `${key} absent`, () => ({ properties: { [name]: false } }));
      const present = make(state, `${key} present`, () => ({
        required: [name, ...(Array.isArray(dependency) ? dependency : [])],
      }));
      const then = Array.isArray(dependency) ? [] : [below(state, node, dependency, keyword, name)];
      const holds = all(state, [{ ...node, schema: present }, ...then]);
      return product(state, cases, [[{ ...node, schema: absent }], ...holds], node);
    },
    [[]],
  );
}

function unevaluated(state: State, node: Node, schema: Schema, leaves: Case): Leaf {
  const key = `${idOf(state, schema)} unevaluated ${keyOf(state, leaves)}`;
  return { ...node, schema: make(state, key, () => describeUnevaluated(schema, leaves)) };
}

/**
 * Schemas of which each is valid only where `node` is not. They leave out what a grammar could not hold, so that together they may
 * describe less than the whole negation.
 */
function negate(state: State, node: Node): readonly Node[] {
  const { schema } = node;
  if (schema === false) return [{ ...node, schema: true }];
  if (!isRecord(schema)) return [];
  if (state.negations.has(schema)) return state.negations.get(schema) ?? [];
  state.negations.set(schema, undefined);
  const negated = Object.entries(schema).flatMap(([keyword, value]) => {
    if (keyword === '$ref') {
      const target = state.document.resolve(String(value), node.base);
      return target === undefined ? [] : negate(state, target);
    }
    const alternatives = negations[keyword]?.(value as never, schema) ?? [];
    const { base, pointer } = node;
    return alternatives.map((each): Node => ({ schema: each, base, pointer }));
  });
  state.negations.set(schema, negated);
  return negated;
}
