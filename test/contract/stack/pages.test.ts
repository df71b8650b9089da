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
  const settings = new Set(sources.match(/(?<=')(?:CHAT|METRICS|TRACES|LOG)_[A-Z_]+(?=')/g));
  expect(settings.size).toBeGreaterThan(15);
  const table = read(page);
  expect([...settings].filter((name) => !table.includes(name))).toEqual([]);
});
