/** Why a grammar does not write a valid instance: what has to be added to the schema so that it does. Used by json-schema-suite.ts. */
import type { Acceptor } from './json-text.ts';

type Schema = Record<string, unknown>;

const objects =
  'properties required dependentRequired dependentSchemas patternProperties minProperties maxProperties'.split(
    ' ',
  );
const everyType = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
/** Keywords whose value is no schema and has none in it. */
const inert = new Set(
  'const enum default examples required dependentRequired type $ref'.split(' '),
);
/** Keywords whose members are schemas. */
const maps = new Set(
  '$defs definitions properties patternProperties dependentSchemas dependencies'.split(' '),
);

/** Each says explicitly what the grammar takes for granted otherwise. */
const additions: Readonly<Record<string, (schema: Schema) => Schema>> = {
  'no `type`: the keywords mean one type': (schema) =>
    'type' in schema || '$ref' in schema || Object.keys(schema).length === 0
      ? schema
      : { ...schema, type: everyType },
  'no `additionalProperties`: only declared properties': (schema) =>
    'unevaluatedProperties' in schema || !objects.some((keyword) => keyword in schema)
      ? schema
      : { additionalProperties: true, ...schema },
  'no `items`: only those of `prefixItems` and `contains`': (schema) =>
    'prefixItems' in schema || 'contains' in schema ? { items: true, ...schema } : schema,
  'formats are asserted': (schema) =>
    Object.fromEntries(Object.entries(schema).filter(([keyword]) => keyword !== 'format')),
};

const reordered = 'items that `contains` asks for come first';

function rewrite(schema: unknown, change: (schema: Schema) => Schema): unknown {
  if (Array.isArray(schema)) return schema.map((each) => rewrite(each, change));
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([keyword, value]): [string, unknown] => {
    if (inert.has(keyword)) return [keyword, value];
    if (!maps.has(keyword) || typeof value !== 'object' || value === null) {
      return [keyword, rewrite(value, change)];
    }
    const members = Object.entries(value).map(([name, each]) => [name, rewrite(each, change)]);
    return [keyword, Object.fromEntries(members)];
  });
  return change(Object.fromEntries(entries));
}

/** @returns the reason, with the keyword that is refused where the schema is; 'other' when nothing helps. */
export function explainNarrow(
  schema: unknown,
  compile: (schema: unknown) => Acceptor | string,
  accepts: (acceptor: Acceptor, inAnyOrder: boolean) => boolean,
): string {
  const given = compile(schema);
  if (typeof given === 'string') return refusal(given);
  if (accepts(given, true)) return reordered;
  for (const names of subsets(Object.keys(additions))) {
    const changed = names.reduce<unknown>((one, name) => rewrite(one, additions[name]!), schema);
    const acceptor = compile(changed);
    if (typeof acceptor === 'string') continue;
    if (accepts(acceptor, false)) return names.join('; ');
    if (accepts(acceptor, true)) return reordered;
  }
  return 'other';
}

function refusal(message: string): string {
  const keyword = /"(\S+)" cannot be enforced/.exec(message)?.[1];
  if (keyword !== undefined) return `refused: \`${keyword}\` that no grammar can hold`;
  if (message.includes('expected a reference within')) return 'refused: a reference elsewhere';
  return 'refused: for another reason';
}

/** Of one item or two, smaller ones first. */
function subsets(items: readonly string[]): string[][] {
  const all = Array.from({ length: 2 ** items.length - 1 }, (_, bits) =>
    items.filter((_item, at) => ((bits + 1) >> at) % 2 === 1),
  );
  return all.filter(({ length }) => length <= 2).toSorted((a, b) => a.length - b.length);
}
