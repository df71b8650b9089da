/**
 * Translates JSON schemas into the dialect from which node-llama-cpp makes a grammar. Every JSON that the grammar allows is valid for
 * the schema, except for keywords that were dropped because it is not strict. Used by grammar.ts.
 */
import type { GbnfJsonSchema } from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { JsonSchema } from '../../../engine.ts';
import { mayOverlap } from './json-schema-overlap.ts';
import {
  checkText,
  dropConstraints,
  guessType,
  isRecord,
  typeOfValue,
  typeRules,
  type GrammarSchema,
  type RuleContext,
  type Schema,
  withoutNames,
} from './json-schema-types.ts';

/** Keywords that do not constrain the JSON. */
const annotations =
  '$schema $id $comment $anchor id title description default examples example deprecated readOnly writeOnly discriminator'.split(
    ' ',
  );
/** Far more than a model can follow; a schema of this size is translated in milliseconds. */
const maxDepth = 32;
const maxSchemas = 2000;
/** Limit on enum values and repetition counts. 50,000 take 60 ms to compile, which blocks all decoding. */
const maxParts = 50_000;

/** Any JSON. Without a type node-llama-cpp allows only null. */
const anything: GrammarSchema = {
  oneOf: [
    { type: ['string', 'number', 'boolean', 'null'] },
    { type: 'array' },
    { type: 'object', additionalProperties: true },
  ],
};

/**
 * Keywords that cannot be enforced are refused if `strict`, otherwise dropped; errors contain `name` and `param`.
 * @throws ChatError `bad_request` that names the keyword and its JSON pointer, also for an invalid schema.
 */
export function toGrammarSchema(root: JsonSchema, options: Options): GbnfJsonSchema {
  const translation = createTranslation(root, options);
  const translated = translate(translation, root, '', 0);
  const { references, definitions } = translation;
  const whole = references.size === 0 ? translated : { oneOf: [translated], $defs: definitions };
  return whole as GbnfJsonSchema;
}

interface Options {
  strict: boolean;
  name: string;
  param: string;
}

type Translation = ReturnType<typeof createTranslation>;

/** The state of one `toGrammarSchema`. */
function createTranslation(root: JsonSchema, options: Options) {
  return {
    root,
    options,
    definitions: {} as Record<string, GrammarSchema>,
    /** JSON pointer → name in `definitions`. */
    references: new Map<string, string>(),
    schemas: 0,
    parts: 0,
    countedKeys: new Set<string>(),
  };
}

function translate(
  translation: Translation,
  schema: unknown,
  pointer: string,
  depth: number,
): GrammarSchema {
  const { options } = translation;
  translation.schemas += 1;
  if (translation.schemas > maxSchemas) {
    refuse(options, pointer, `expected at most ${maxSchemas} schemas in one`);
  }
  if (depth > maxDepth) refuse(options, pointer, `expected at most ${maxDepth} levels of nesting`);
  if (schema === true) return anything;
  if (!isRecord(schema)) return refuse(options, pointer, `expected a schema, got ${typeof schema}`);
  return translateOne(schema, createContext(translation, pointer, depth));
}

function refuse({ name, param }: Options, pointer: string, sentence: string): never {
  throw new ChatError('bad_request', `${name}: ${sentence} (at #${pointer})`, {
    param,
    recorded: `${param}: a schema that cannot be used, at #${withoutNames(pointer)}`,
  });
}

function createContext(translation: Translation, pointer: string, depth: number): RuleContext {
  const { root, options } = translation;
  const at = (...keywords: (string | number)[]): string =>
    keywords
      .map(String)
      .reduce((path, key) => `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, pointer);
  return {
    inside: (inner, ...keywords) => translate(translation, inner, at(...keywords), depth + 1),
    refer: (reference) => refer(translation, reference, at('$ref')),
    resolve: (reference) => resolveReference(root, reference),
    invalid: (keyword, expected) => refuse(options, at(keyword), `expected ${expected}`),
    countParts(amount, key) {
      const { countedKeys } = translation;
      if (key !== undefined && countedKeys.has(key)) return;
      if (key !== undefined) countedKeys.add(key);
      translation.parts += amount;
      const limit = `expected at most ${maxParts} values, items and characters in its limits`;
      if (translation.parts > maxParts) refuse(options, pointer, limit);
    },
    cannotEnforce(keyword, remedy = 'leave it out') {
      const sentence = `"${keyword}" cannot be enforced while an answer is generated; ${remedy}, or set strict to false and check the answer yourself`;
      if (options.strict) refuse(options, at(keyword), sentence);
    },
  };
}

function refer(translation: Translation, reference: unknown, at: string): GrammarSchema {
  const { root, options, references, definitions } = translation;
  if (typeof reference !== 'string' || !reference.startsWith('#')) {
    return refuse(options, at, 'expected a reference within the schema, such as "#/$defs/name"');
  }
  const pointer = reference.slice(1);
  let name = references.get(pointer);
  if (name === undefined) {
    const target = resolveReference(root, reference);
    if (target === undefined) return refuse(options, at, `expected a schema at ${reference}`);
    name = `ref${references.size}`;
    // Set before its target is translated, which may refer to itself.
    references.set(pointer, name);
    definitions[name] = translate(translation, target, pointer, 0);
  }
  return { $ref: `#/$defs/${name}` };
}

/** Undefined where the pointer leads to nothing, or the reference is to another document. */
function resolveReference(root: unknown, reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined;
  let found = root;
  for (const key of reference.slice(1).split('/').slice(1)) {
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

function translateOne(schema: Schema, context: RuleContext): GrammarSchema {
  const { $ref, $defs: _, definitions: __, nullable, ...rest } = schema;
  const constraints = omit(rest, annotations);
  if ($ref !== undefined) dropConstraints(constraints, context);
  const translated = $ref === undefined ? combine(constraints, context) : context.refer($ref);
  return nullable === true ? { oneOf: [translated, { type: 'null' }] } : translated;
}

/** Keywords that describe a schema completely, apart from its type. The first one present is used. */
const combinations: Record<
  string,
  (value: unknown, context: RuleContext, type: unknown) => GrammarSchema
> = {
  const(value, context, type) {
    if (!isOfType(value, type)) return context.invalid('const', 'a value of the type');
    return literal(value, 'const', context);
  },
  enum(values, context, type) {
    const ofType = Array.isArray(values) ? values.filter((value) => isOfType(value, type)) : [];
    if (ofType.length === 0) return context.invalid('enum', 'a list of at least one value');
    context.countParts(ofType.length);
    return { oneOf: ofType.map((value) => literal(value, 'enum', context)) };
  },
  anyOf: (alternatives, context, type) => oneOf(alternatives, 'anyOf', context, type),
  oneOf(alternatives, context, type) {
    const translated = oneOf(alternatives, 'oneOf', context, type);
    const schemas = (alternatives as unknown[]).map((each) => withType(each, type));
    if (mayOverlap(schemas, (reference) => context.resolve(reference))) {
      context.cannotEnforce('oneOf', 'write anyOf where several may hold');
    }
    return translated;
  },
  allOf(schemas, context, type) {
    if (!Array.isArray(schemas) || schemas.length === 0) {
      return context.invalid('allOf', 'a list of at least one schema');
    }
    if (schemas.length > 1) context.cannotEnforce('allOf');
    return context.inside(withType(schemas[0], type), 'allOf', 0);
  },
};

function combine(schema: Schema, context: RuleContext): GrammarSchema {
  const type = schema['type'] ?? guessType(schema);
  const keyword = Object.keys(combinations).find((each) => schema[each] !== undefined);
  if (keyword === undefined) return translateTypes({ ...schema, type }, context);
  const beside = omit(schema, [keyword, 'type']);
  const isWhole = keyword === 'const' || keyword === 'enum' || guessType(beside) === undefined;
  if (isWhole) {
    dropConstraints(beside, context);
    return combinations[keyword]!(schema[keyword], context, schema['type']);
  }
  // For example properties with an anyOf of required names: the properties constrain more.
  context.cannotEnforce(keyword);
  return combine(omit(schema, [keyword]), context);
}

function oneOf(
  alternatives: unknown,
  keyword: string,
  context: RuleContext,
  type: unknown,
): GrammarSchema {
  if (!Array.isArray(alternatives) || alternatives.length === 0) {
    return context.invalid(keyword, 'a list of at least one schema');
  }
  return {
    oneOf: alternatives.map((each, index) => context.inside(withType(each, type), keyword, index)),
  };
}

/** A type next to alternatives applies to each of them. */
function withType(schema: unknown, type: unknown): unknown {
  const isOpen = isRecord(schema) && schema['type'] === undefined && schema['$ref'] === undefined;
  return isOpen && type !== undefined ? { ...schema, type } : schema;
}

function isOfType(value: unknown, type: unknown): boolean {
  const types = type === undefined ? [typeOfValue(value)] : [type].flat();
  return (
    types.includes(typeOfValue(value)) || (types.includes('integer') && Number.isInteger(value))
  );
}

/** A value as a schema, because node-llama-cpp supports `const` only for scalars. */
function literal(value: unknown, keyword: string, context: RuleContext): GrammarSchema {
  if (Array.isArray(value)) {
    const items = value.map((item) => literal(item, keyword, context));
    return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
  }
  if (isRecord(value)) {
    const properties = Object.entries(value).map(([key, item]): [string, GrammarSchema] => [
      checkText(key, keyword, context),
      literal(item, keyword, context),
    ]);
    return { type: 'object', properties: Object.fromEntries(properties) };
  }
  return { const: typeof value === 'string' ? checkText(value, keyword, context) : value };
}

function translateTypes({ type, ...constraints }: Schema, context: RuleContext): GrammarSchema {
  if (type === undefined) {
    dropConstraints(constraints, context);
    return anything;
  }
  const types: unknown[] = Array.isArray(type) ? type : [type];
  const translated = types.map((each) => {
    const rules = typeof each === 'string' ? typeRules[each] : undefined;
    if (rules === undefined) {
      return context.invalid('type', `one of ${Object.keys(typeRules).join(', ')}`);
    }
    return rules(types.length === 1 ? constraints : keepFor(String(each), constraints), context);
  });
  if (translated.length === 0) return context.invalid('type', 'at least one type');
  return translated.length === 1 ? translated[0]! : { oneOf: translated };
}

/** Keywords that apply to one type only, for schemas that allow several types. */
const keywordsByType: readonly [type: string, keywords: string][] = [
  ['string', 'minLength maxLength pattern format contentEncoding contentMediaType'],
  ['number integer', 'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf'],
  ['array', 'items prefixItems additionalItems minItems maxItems uniqueItems contains'],
  [
    'object',
    'properties required additionalProperties minProperties maxProperties patternProperties propertyNames',
  ],
];

function keepFor(type: string, schema: Schema): Schema {
  const foreign = keywordsByType.filter(([types]) => !types.split(' ').includes(type));
  return omit(
    schema,
    foreign.flatMap(([, keywords]) => keywords.split(' ')),
  );
}

function omit(schema: Schema, keywords: readonly string[]): Schema {
  return Object.fromEntries(
    Object.entries(schema).filter(
      ([keyword, value]) => value !== undefined && !keywords.includes(keyword),
    ),
  );
}
