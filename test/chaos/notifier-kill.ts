/**
 * `node test/chaos/notifier-kill.ts [--seeds 200] [--from 1]`: kills the notifier by SIGKILL at every step of a delivery. Fails when an
 * alert is lost, delivered out of order, or delivered twice by a channel that can detect duplicates.
 */
import { parseArgs } from 'node:util';
import { killAtEveryStep } from '../support/alerting/notifier-kill.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '200' }, from: { type: 'string', default: '1' } },
});
const seeds = Array.from(
  { length: Number(values.seeds) },
  (_, index) => Number(values.from) + index,
);
const { killed, raised, repeats, faults } = await killAtEveryStep(seeds);
const at = Object.entries(killed).map(([step, count]) => `${step} ${count}`);
process.stdout.write(`killed ${seeds.length} times: ${at.join(', ')}
notifications: ${raised}; lost or wrong: ${faults.length}; duplicates by a robot that cannot detect them: ${repeats}
${faults.map((fault) => `  ${fault}\n`).join('')}`);
process.exitCode = faults.length === 0 ? 0 : 1;
