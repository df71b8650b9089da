/** Writes `test/chaos/README.md` from the results. */
import { writeTable } from '../../bench/markdown-table.ts';
import type { Results } from './results.ts';
import type { Section, Verdict } from './section.ts';

const words: Readonly<Record<Verdict, string>> = {
  holds: 'holds',
  tested: 'tested',
  missed: '**missed**',
  skipped: '**not tried**',
  noted: '',
};

export function writePage(sections: Readonly<Record<string, Section>>, results: Results): string {
  const all = Object.entries(sections).flatMap(([name, { parts }]) =>
    Object.keys(parts).map((part) => `${name}/${part}`),
  );
  const rows = all.flatMap((name) => results[name]?.rows ?? []);
  const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length;
  const missing = all.filter((name) => results[name] === undefined);
  const text = [
    '<!-- Generated from results.json by `node test/chaos/proof.ts report`. -->',
    '# What it survives',
    `Of ${rows.length} rows, ${count('holds')} hold, ${count('tested')} are tests that make test runs, ${count('missed')} are missed and ${count('skipped')} could not be tried on this machine; the others only note a number.${missing.length === 0 ? '' : ` Not run: ${missing.join(', ')}.`}`,
    [
      '```sh',
      'make chaos                            # hours; a run that was stopped goes on where it was',
      'node test/chaos/proof.ts faults/clock-back # one part, again',
      'node test/chaos/proof.ts report       # this page, from results.json',
      '```',
    ].join('\n'),
    'Every row drives real processes: the chat service with its engine process, the notifier, Prometheus, Alertmanager. The model is a small one of the tests where a row does not say otherwise.',
    ...Object.entries(sections).flatMap(([name, section]) => writeSection(name, section, results)),
    '## Commits, machine',
    writeRuns(all, results),
  ];
  return `${text.filter((paragraph) => paragraph !== '').join('\n\n')}\n`;
}

function writeSection(name: string, section: Section, results: Results): string[] {
  const rows = Object.keys(section.parts).flatMap((part) => results[`${name}/${part}`]?.rows ?? []);
  if (rows.length === 0) return [`## ${section.title}`, section.introduction, 'Not run yet.'];
  const cells = rows.map(({ cells, verdict }) => cells.map(escape).concat(words[verdict]));
  const table = writeTable([...section.columns, ''], cells);
  return [`## ${section.title}`, section.introduction, table];
}

function writeRuns(all: readonly string[], results: Results): string {
  const runs = all.flatMap((name) => {
    const result = results[name];
    if (result === undefined) return [];
    return [[name, result.commit, result.endedAt.slice(0, 16), `${result.seconds} s`]];
  });
  const machines = new Set(all.flatMap((name) => results[name]?.machine ?? []));
  const table = writeTable(['part', 'commit', 'ended (UTC)', 'took'], runs);
  return `${[...machines].join('\n')}\n\n${table}`;
}

function escape(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
