/**
 * Writes the table of faults from the comments `// Fault: …. Alone: …. Result: ….` above the tests of the notifier, for `make
 * generate`. `Alone` is what Alertmanager does without the notifier. Without `Result`, the title of the test is the result.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

interface Row {
  fault: string;
  /** What Alertmanager does without the notifier; empty if it has no part in this. */
  alone: string;
  result: string;
  file: string;
}

const root = join(import.meta.dirname, '../../..');
const folders = ['test/integration/alerting', 'test/unit/alerting'];
const comment = /^[ \t]*\/\/ Fault: (.*(?:\n[ \t]*\/\/ .*)*)/gm;
/** `test('…`, and the end of `test.each(…)('…`. */
const title = /(?:\btest\(|\)\()\s*(['"`])((?:\\.|(?!\1).)*)\1/s;

const parts = /^(.*?)(?:\. Alone: (.*?))?(?:\. Result: (.*))?$/;

/** The values of a parametrized title are left out. */
const readTitle = (text: string): string =>
  text.replaceAll(/"?%[sijo]"?|\$\w+/g, '…').replaceAll(/\\(.)/g, '$1');

function readRows(folder: string, name: string): Row[] {
  const text = readFileSync(join(root, folder, name), 'utf8');
  return [...text.matchAll(comment)].map((found) => {
    const sentence = (found[1] ?? '').replaceAll(/\s*\n\s*\/\/ /g, ' ').replace(/\.$/, '');
    const [, fault = '', alone = '', given] = parts.exec(sentence) ?? [];
    const [, , titled] = title.exec(text.slice(found.index + found[0].length)) ?? [];
    if (titled === undefined) throw new Error(`${name}: no test after "// Fault: ${fault}"`);
    return { fault, alone, result: given ?? readTitle(titled), file: `${folder}/${name}` };
  });
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: 'alerting/generated' } },
});
const rows = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.ts'))
    .toSorted()
    .flatMap((name) => readRows(folder, name)),
);
const cell = (text: string): string => text.replaceAll('|', String.raw`\|`);
const lines = rows.map(({ fault, alone, result, file }) => {
  const link = `[${file.split('/').at(-1)?.replace('.test.ts', '')}](../../${file})`;
  return `| ${cell(fault)} | ${cell(alone)} | ${cell(result)} | ${link} |`;
});
mkdirSync(values.out, { recursive: true });
writeFileSync(
  join(values.out, 'fault-matrix.md'),
  `<!-- Generated from the tests by \`make generate\`. -->
# The notifier's fault matrix

Each row is a test of the notifier that \`make test\` runs; those of \`test/integration/\` have a real Prometheus, Alertmanager and notifier.

| what happens | Alertmanager alone | with the notifier | test |
|---|---|---|---|
${lines.join('\n')}
`,
);
