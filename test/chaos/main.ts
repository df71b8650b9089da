/**
 * `make chaos`: runs the kill storm and prints a table. Exits with 1 when a client saw an ending that it should not see. SEEDS (100)
 * and FIRST_SEED (0) select rounds: `FIRST_SEED=40 SEEDS=20 node test/chaos/main.ts`.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { writeEndlessModel } from '../support/engine/host.ts';
import { startStorm, type Round } from './storm.ts';

const first = Number(process.env['FIRST_SEED'] ?? 0);
const seeds = Number(process.env['SEEDS'] ?? 100);
const modelPath = writeEndlessModel();
const storm = await startStorm(modelPath);
const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const rounds: Round[] = [];

print('seed  phase       signal   clients  answers  error frames  503  429  back after');
for (let seed = first; seed < first + seeds; seed++) {
  const round = await storm.round(seed);
  rounds.push(round);
  print(row(String(seed), round.phase, round.signal, [round]));
  for (const problem of round.problems) print(`      ${problem}`);
}
const leftBehind = await storm.killService();
rmSync(path.dirname(modelPath), { recursive: true });
print(row('all', '', '', rounds));
print(`service killed under load: ${leftBehind.length} processes left behind`);
const failed = rounds.filter(({ problems }) => problems.length > 0);
print(`${failed.length} of ${rounds.length} rounds failed`);
process.exit(failed.length > 0 || leftBehind.length > 0 ? 1 : 0);

function row(seed: string, phase: string, signal: string, of: Round[]): string {
  const outcomes = of.flatMap((round) => round.outcomes);
  const count = (ending: string): string =>
    String(outcomes.filter((outcome) => outcome.ending === ending).length);
  const slowest = Math.max(...of.map(({ backSeconds }) => backSeconds));
  return [
    seed.padEnd(4),
    phase.padEnd(10),
    signal.padEnd(7),
    String(outcomes.length).padStart(7),
    count('answer').padStart(7),
    count('error_frame').padStart(12),
    count('503').padStart(3),
    count('429').padStart(3),
    `${slowest.toFixed(1)} s`.padStart(9),
  ].join('  ');
}
