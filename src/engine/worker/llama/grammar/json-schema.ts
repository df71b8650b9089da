/**
 * JSON schemas as people write them, made into what node-llama-cpp turns into a grammar; every JSON that this grammar
 * allows is valid for the schema. Used by grammar.ts.
 */
import type { GbnfJsonSchema } from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { JsonSchema } from '../../../engine.ts';
import { resolveReference, step } from './json-pointer.ts';
import { mayOverlap } from './json-schema-overlap.ts';
import { checkText, guessType, isRecord, typeOfValue, typeRules } from './json-schema-types.ts';
import type { GrammarSchema, Place, Schema } from './json-schema-types.ts';

/** Say nothing about the JSON. */
const annotations =
  '$schema $id $comment $anchor id title description default examples example deprecated readOnly writeOnly discriminator'.split(
    ' ',
  );
/** Far more than a model can follow, and translated in milliseconds. */
const maxDepth = 32;
const maxSchemas = 2000;
/** Values, and the times that something may or must come: compiled in 60 ms, while everybody waits. */
const maxParts = 50_000;

/** Any JSON. Without a type the library would take null alone. */
const anything: GrammarSchema = {
  oneOf: [
    { type: ['string', 'number', 'boolean', 'null'] },
    { type: 'array' },
    { type: 'object', additionalProperties: true },
  ],
};

/**
 * `strict` refuses what cannot be enforced, otherwise it is left out; `name` and `param` tell people which schema it is.
 * @throws ChatError `bad_request` that names the keyword and its place, also for a schema that is none.
 */
export function toGrammarSchema(
  root: JsonSchema,
  options: { strict: boolean; name: string; param: string },
): GbnfJsonSchema {
  const definitions: Record<string, GrammarSchema> = {};
  /** JSON pointer → name in `definitions`. */
  const references = new Map<string, string>();
  let count = 0;
  let parts = 0;
  const counted = new Set<string>();

  function refuse(pointer: string, sentence: string): never {
    throw new ChatError('bad_request', `${options.name}: ${sentence} (at #${pointer})`, {
      param: options.param,
    });
  }

  function translate(schema: unknown, pointer: string, depth: number): GrammarSchema {
    count += 1;
    if (count > maxSchemas) refuse(pointer, `expected at most ${maxSchemas} schemas in one`);
    if (depth > maxDepth) refuse(pointer, `expected at most ${maxDepth} levels of nesting`);
    if (schema === true) return anything;
    if (!isRecord(schema)) return refuse(pointer, `expected a schema, got ${typeof schema}`);
    return translateOne(schema, refer, {
      inside: (inner, ...keywords) =>
        translate(inner, pointer + keywords.map((keyword) => step(keyword)).join(''), depth + 1),
      invalid: (keyword, expected) => refuse(pointer + step(keyword), `expected ${expected}`),
      spend(amount, key) {
        if (key !== undefined && counted.has(key)) return;
        if (key !== undefined) counted.add(key);
        parts += amount;
        if (parts > maxParts)
          refuse(
            pointer,
            `expected at most ${maxParts} values, items and characters in its limits`,
          );
      },
      resolve: (reference) => resolveReference(root, reference),
      cannotEnforce(keyword, remedy = 'leave it out') {
        if (!options.strict) return;
        refuse(
          pointer + step(keyword),
          `"${keyword}" cannot be enforced while an answer is generated; ${remedy}, or set strict to false and check the answer yourself`,
        );
      },
    });
  }

  function refer(reference: unknown, place: Place): GrammarSchema {
    if (typeof reference !== 'string' || !reference.startsWith('#')) {
      return place.invalid('$ref', 'a reference within the schema, such as "#/$defs/name"');
    }
    const pointer = reference.slice(1);
    let name = references.get(pointer);
    if (name === undefined) {
      const target = resolveReference(root, reference);
      if (target === undefined) return place.invalid('$ref', `a schema at ${reference}`);
      name = `ref${references.size}`;
      // Before its target is looked at, which may refer to itself.
      references.set(pointer, name);
      definitions[name] = translate(target, pointer, 0);
    }
    return { $ref: `#/$defs/${name}` };
  }

  const translated = translate(root, '', 0);
  const whole = references.size === 0 ? translated : { oneOf: [translated], $defs: definitions };
  return whole as GbnfJsonSchema;
}

type Refer = (reference: unknown, place: Place) => GrammarSchema;

function translateOne(schema: Schema, refer: Refer, place: Place): GrammarSchema {
  const { $ref, $defs: _, definitions: __, nullable, ...rest } = schema;
  const constraints = omit(rest, annotations);
  if ($ref !== undefined) refuseAll(constraints, place);
  const translated = $ref === undefined ? combine(constraints, place) : refer($ref, place);
  return nullable === true ? { oneOf: [translated, { type: 'null' }] } : translated;
}

/** Keywords that say all there is to say beside the type; the first that is there is taken. */
const combinations: Record<string, (value: unknown, place: Place, type: unknown) => GrammarSchema> =
  {
    const(value, place, type) {
      if (!isOfType(value, type)) return place.invalid('const', 'a value of the type');
      return literal(value, 'const', place);
    },
    enum(values, place, type) {
      const ofType = Array.isArray(values) ? values.filter((value) => isOfType(value, type)) : [];
      if (ofType.length === 0) return place.invalid('enum', 'a list of at least one value');
      place.spend(ofType.length);
      return { oneOf: ofType.map((value) => literal(value, 'enum', place)) };
    },
    anyOf: (alternatives, place, type) => oneOf(alternatives, 'anyOf', place, type),
    oneOf(alternatives, place, type) {
      const translated = oneOf(alternatives, 'oneOf', place, type);
      const schemas = (alternatives as unknown[]).map((each) => withType(each, type));
      if (mayOverlap(schemas, (reference) => place.resolve(reference))) {
        place.cannotEnforce('oneOf', 'write anyOf where several may hold');
      }
      return translated;
    },
    allOf(schemas, place, type) {
      if (!Array.isArray(schemas) || schemas.length === 0) {
        return place.invalid('allOf', 'a list of at least one schema');
      }
      if (schemas.length > 1) place.cannotEnforce('allOf');
      return place.inside(withType(schemas[0], type), 'allOf', 0);
    },
  };

function combine(schema: Schema, place: Place): GrammarSchema {
  const type = schema['type'] ?? guessType(schema);
  const keyword = Object.keys(combinations).find((each) => schema[each] !== undefined);
  if (keyword === undefined) return translateTypes({ ...schema, type }, place);
  const beside = omit(schema, [keyword, 'type']);
  const isWhole = keyword === 'const' || keyword === 'enum' || guessType(beside) === undefined;
  if (isWhole) {
    refuseAll(beside, place);
    return combinations[keyword]!(schema[keyword], place, schema['type']);
  }
  // Such as properties with an anyOf about which of them are required: the properties say more.
  place.cannotEnforce(keyword);
  return combine(omit(schema, [keyword]), place);
}

function oneOf(alternatives: unknown, keyword: string, place: Place, type: unknown): GrammarSchema {
  if (!Array.isArray(alternatives) || alternatives.length === 0) {
    return place.invalid(keyword, 'a list of at least one schema');
  }
  return {
    oneOf: alternatives.map((each, index) => place.inside(withType(each, type), keyword, index)),
  };
}

/** A type that stands beside alternatives is said for all of them. */
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

/** A value as a schema; the library knows only those of one word. */
function literal(value: unknown, keyword: string, place: Place): GrammarSchema {
  if (Array.isArray(value)) {
    const items = value.map((item) => literal(item, keyword, place));
    return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
  }
  if (isRecord(value)) {
    const properties = Object.entries(value).map(([key, item]): [string, GrammarSchema] => [
      checkText(key, keyword, place),
      literal(item, keyword, place),
    ]);
    return { type: 'object', properties: Object.fromEntries(properties) };
  }
  return { const: typeof value === 'string' ? checkText(value, keyword, place) : value };
}

function translateTypes({ type, ...constraints }: Schema, place: Place): GrammarSchema {
  if (type === undefined) {
    refuseAll(constraints, place);
    return anything;
  }
  const types: unknown[] = Array.isArray(type) ? type : [type];
  const translated = types.map((each) => {
    const rules = typeof each === 'string' ? typeRules[each] : undefined;
    if (rules === undefined) {
      return place.invalid('type', `one of ${Object.keys(typeRules).join(', ')}`);
    }
    return rules(types.length === 1 ? constraints : keepFor(String(each), constraints), place);
  });
  if (translated.length === 0) return place.invalid('type', 'at least one type');
  return translated.length === 1 ? translated[0]! : { oneOf: translated };
}

/** Of a keyword that speaks about one type only, where others are allowed too. */
const typesOf: readonly [type: string, keywords: string][] = [
  ['string', 'minLength maxLength pattern format contentEncoding contentMediaType'],
  ['number integer', 'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf'],
  ['array', 'items prefixItems additionalItems minItems maxItems uniqueItems contains'],
  [
    'object',
    'properties required additionalProperties minProperties maxProperties patternProperties propertyNames',
  ],
];

function keepFor(type: string, schema: Schema): Schema {
  const foreign = typesOf.filter(([types]) => !types.split(' ').includes(type));
  return omit(
    schema,
    foreign.flatMap(([, keywords]) => keywords.split(' ')),
  );
}

function refuseAll(constraints: Schema, place: Place): void {
  for (const keyword of Object.keys(constraints)) place.cannotEnforce(keyword);
}

function omit(schema: Schema, keywords: readonly string[]): Schema {
  return Object.fromEntries(
    Object.entries(schema).filter(
      ([keyword, value]) => value !== undefined && !keywords.includes(keyword),
    ),
  );
}
