/**
 * `make chaos`: measures what the service survives, part by part, and writes README.md. Parts that have a result are not run again,
 * unless they are named: `node test/chaos/proof.ts storms faults/clock-back`; `report` only writes the page. Exits with 1 when a row is missed.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { writePage } from './proof/page.ts';
import { addResult, readResults, resultsFile } from './proof/results.ts';
import type { Section } from './proof/section.ts';
import { faultSection } from './proof/faults.ts';
import { laggards } from './proof/leavers.ts';
import { overload } from './proof/overload.ts';
import { security } from './proof/secrets.ts';
import { soak } from './proof/soak.ts';
import { storms } from './proof/storms.ts';

const sections: Readonly<Record<string, Section>> = {
  overload,
  laggards,
  faults: faultSection,
  storms,
  soak,
  security,
};

const wanted = process.argv.slice(2);
const isWanted = (name: string): boolean =>
  wanted.length === 0
    ? readResults()[name] === undefined
    : wanted.some((each) => name === each || name.startsWith(`${each}/`));
const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const parts = Object.entries(sections).flatMap(([section, { parts }]) =>
  Object.entries(parts).map(([part, run]) => [`${section}/${part}`, run] as const),
);

let isMissed = false;
for (const [name, run] of parts.filter(([name]) => isWanted(name))) {
  print(`${name} …`);
  const startedAt = performance.now();
  try {
    const rows = await run();
    addResult(name, rows, (performance.now() - startedAt) / 1000);
    for (const { cells, verdict } of rows) print(`  ${verdict.padEnd(8)}${cells.join(' · ')}`);
    isMissed ||= rows.some(({ verdict }) => verdict === 'missed');
  } catch (error) {
    // The other parts still run; this one has no result, so that the next run tries it again.
    print(`  failed: ${(error as Error).stack}`);
    isMissed = true;
  }
}
writeFileSync(
  path.join(path.dirname(resultsFile), 'README.md'),
  writePage(sections, readResults()),
);
process.exit(isMissed ? 1 : 0);
