/** The pages that people read: their links lead somewhere, and they name every setting. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const pages = execFileSync('git', ['ls-files', '*.md'], { encoding: 'utf8' }).trim().split('\n');
const read = (file: string) => readFileSync(file, 'utf8');

/** GitHub's anchor of a heading. */
function toAnchor(heading: string): string {
  const text = heading.replace(/^#+ /, '').replaceAll('`', '').toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

function linksOf(page: string): string[] {
  const text = read(page).replaceAll(/```[^]*?```/g, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets.filter((target) => !/^\w+:/.test(target));
}

function isDead(page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : path.join(path.dirname(page), file);
  // Runbooks link to each other as the notifier serves them.
  if (!existsSync(target)) return !existsSync(`${target}.md`);
  if (anchor === undefined || statSync(target).isDirectory()) return false;
  const headings = read(target).match(/^#+ .*$/gm) ?? [];
  return !headings.map(toAnchor).includes(decodeURIComponent(anchor));
}

test('every link of every page leads to a file and to a heading of it', () => {
  const dead = pages.flatMap((page) =>
    linksOf(page)
      .filter((link) => isDead(page, link))
      .map((link) => `${page}: ${link}`),
  );
  expect(dead).toEqual([]);
});

test.each(['stack/README.md', 'stack/README.zh-CN.md'])('%s names every setting', (page) => {
  const sources = ['src/config.ts', 'stack/settings.ts'].map(read).join('\n');
  const settings = new Set(
    sources.match(/(?<=')(?:BACKEND|CHAT|METRICS|TRACES|LOG)_[A-Z_]+(?=')/g),
  );
  expect(settings.size).toBeGreaterThan(15);
  const table = read(page);
  expect([...settings].filter((name) => !table.includes(name))).toEqual([]);
});

/** Shell blocks by page and line. `curl.test.ts` and `package.test.ts` also run those that need nothing else. */
const shellBlocks = pages.flatMap((page) =>
  [...read(page).matchAll(/^```sh\n([^]*?)^```/gm)].map(({ 1: block = '', index }) => {
    return { at: `${page}:${read(page).slice(0, index).split('\n').length}`, block };
  }),
);

test.each(shellBlocks)('the shell block at $at can be read by bash', ({ block }) => {
  expect(() => execFileSync('bash', ['-n'], { input: block })).not.toThrow();
});

test('every target of make and every file that a shell block names exists', () => {
  const targets = new Set(read('Makefile').match(/^[a-z][a-z0-9-]*(?=:)/gm));
  const missing = shellBlocks.flatMap(({ at, block }) => {
    const code = block.replaceAll(/#.*$/gm, '');
    const named = [...code.matchAll(/\bmake ([a-z][a-z0-9-]*)/g)].map(([, target]) => target!);
    const files = [...code.matchAll(/\bnode ([a-z][\w/.-]+\.ts)/g)].map(([, file]) => file!);
    return [
      ...named.filter((target) => !targets.has(target)).map((target) => `${at}: make ${target}`),
      ...files.filter((file) => !existsSync(file)).map((file) => `${at}: ${file}`),
    ];
  });
  expect(shellBlocks.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});
