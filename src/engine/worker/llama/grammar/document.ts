/** A JSON schema as a document: where its parts are, and what its references lead to (JSON Schema 2020-12, core, sections 8 and 9). */
import { isRecord, type Schema } from './keywords.ts';
import { work } from './work.ts';

/** A schema, the URI that its references are relative to, and its JSON pointer for messages. */
export interface Node {
  readonly schema: unknown;
  readonly base: string;
  readonly pointer: string;
}

export interface Document {
  readonly root: Node;
  /** Undefined where the reference leads to nothing, or to another document. */
  resolve(reference: string, base: string): Node | undefined;
  /** A schema below `parent`. */
  readonly below: (parent: Node, schema: unknown, ...keywords: (string | number)[]) => Node;
}

/** Deeper schemas are refused when they are compiled. */
const maxPointer = 4000;
const unnamed = 'schema:///';
const withSchema = new Set(
  'additionalItems additionalProperties contains else if items not propertyNames then unevaluatedItems unevaluatedProperties'.split(
    ' ',
  ),
);
const withList = new Set('allOf anyOf items oneOf prefixItems'.split(' '));
const withMap = new Set(
  '$defs definitions dependencies dependentSchemas patternProperties properties'.split(' '),
);

export function createDocument(schema: unknown): Document {
  /** Every schema object of the document. */
  const nodes = new Map<unknown, Node>();
  /** By URI: the roots without a fragment, the anchors with one. */
  const named = new Map<string, Node>();
  const waiting: Node[] = [{ schema, base: unnamed, pointer: '' }];
  let root: Node | undefined;
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.pointer.length > maxPointer) continue;
    const own = withOwnBase(node, named);
    root ??= own;
    if (!isRecord(own.schema) || nodes.has(own.schema)) continue;
    nodes.set(own.schema, own);
    for (const anchor of [own.schema['$anchor'], own.schema['$dynamicAnchor']]) {
      if (typeof anchor === 'string') named.set(`${own.base}#${anchor}`, own);
    }
    waiting.push(...childrenOf(own, own.schema));
  }
  named.set(unnamed, named.get(unnamed) ?? root!);
  const below = (parent: Node, inner: unknown, ...keywords: (string | number)[]): Node =>
    nodes.get(inner) ?? child(parent, inner, keywords);
  return {
    root: root!,
    below,
    resolve(reference, base) {
      if (!URL.canParse(reference, base)) return undefined;
      const url = new URL(reference, base);
      const fragment = decodeURIComponent(url.hash.slice(1));
      url.hash = '';
      const resource = named.get(url.href);
      if (fragment === '') return resource;
      if (!fragment.startsWith('/')) return named.get(`${url.href}#${fragment}`);
      return resource === undefined ? undefined : follow(resource, fragment, below);
    },
  };
}

function withOwnBase(node: Node, named: Map<string, Node>): Node {
  const id = isRecord(node.schema) ? node.schema['$id'] : undefined;
  if (typeof id === 'string') work(5 + id.length / 100);
  if (typeof id !== 'string' || !URL.canParse(id, node.base)) return node;
  const url = new URL(id, node.base);
  url.hash = '';
  // Before 2019 an anchor was an `$id` that is only a fragment.
  if (url.href === node.base) return node;
  const own = { ...node, base: url.href };
  named.set(url.href, own);
  if (node.base === unnamed && node.pointer === '') named.set(unnamed, own);
  return own;
}

function childrenOf(node: Node, schema: Schema): Node[] {
  const children: Node[] = [];
  const add = (each: unknown, ...keywords: (string | number)[]): void => {
    if (!isRecord(each)) return;
    work(2 + node.pointer.length / 100);
    children.push(child(node, each, keywords));
  };
  for (const [keyword, value] of Object.entries(schema)) {
    if (withSchema.has(keyword)) add(value, keyword);
    if (withList.has(keyword) && Array.isArray(value)) {
      for (const [at, each] of value.entries()) add(each, keyword, at);
    }
    if (withMap.has(keyword) && isRecord(value)) {
      for (const [name, each] of Object.entries(value)) add(each, keyword, name);
    }
  }
  return children;
}

function child({ base, pointer }: Node, schema: unknown, keywords: (string | number)[]): Node {
  const path = keywords.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1'));
  return { schema, base, pointer: [pointer, ...path].join('/') };
}

function follow(resource: Node, pointer: string, below: Document['below']): Node | undefined {
  let found: Node | undefined = resource;
  for (const key of pointer.split('/').slice(1)) {
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    const { schema }: Node = found;
    if (typeof schema !== 'object' || schema === null || !Object.hasOwn(schema, name)) {
      return undefined;
    }
    found = below(found, (schema as Record<string, unknown>)[name], name);
  }
  return found;
}
