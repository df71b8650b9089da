/**
 * `make bench`: compares the speed of the service with llama-server, with the bare library and with an older checkout, as people use
 * them: over HTTP, with the model's chat template, each at its own defaults. Contenders are restarted for each round (two processes of
 * one program differ) and take turns within it. Every finished part is stored, and the next run goes on from there.
 * `node test/bench/serving.ts report` only writes README.md and the plots again.
 */
import { listContenders, type Contender, type ContenderName } from './contenders.ts';
import { findBenchModel } from './model.ts';
import { writeReport } from './report.ts';
import { openResults, readResults, writeResults, type Results } from './results.ts';
import { readSettings, type Settings } from './settings.ts';
import { median, sum } from './statistics.ts';
import {
  fullSizes,
  measure,
  smokeSizes,
  warmUp,
  workloadNames,
  workloads,
  type Turn,
  type WorkloadName,
} from './workloads.ts';

interface Step {
  round: number;
  contender: ContenderName;
  workload: WorkloadName;
}

const isMain = (name: ContenderName) => name === 'ours' || name === 'llama-server';
/** Long workloads are measured in every third or second round. */
const everyRounds: Partial<Record<WorkloadName, number>> = {
  'documents 1': 3,
  'documents 4': 3,
  newcomer: 2,
};
const minorWorkloads = ['different 1', 'different 2', 'different 4', 'different 8'];

/** Contenders of one step are neighbours in time, and their order changes from round to round. */
function plan(settings: Settings, names: readonly ContenderName[]): Step[] {
  const minor = new Set<string>(settings.smoke ? minorWorkloads.slice(0, 1) : minorWorkloads);
  const rounds = Array.from({ length: settings.rounds }, (_, round) => round);
  return rounds.flatMap((round) => {
    const first = round % names.length;
    const turns = [...names.slice(first), ...names.slice(0, first)];
    return workloadNames.flatMap((workload) =>
      turns
        .filter((name) =>
          isMain(name)
            ? round % (everyRounds[workload] ?? 1) === 0
            : round < settings.minorRounds && minor.has(workload),
        )
        .map((contender) => ({ round, contender, workload })),
    );
  });
}

const isSame = (step: Partial<Step>) => (sample: Partial<Step>) =>
  (step.round ?? sample.round) === sample.round &&
  step.contender === sample.contender &&
  step.workload === sample.workload;

/** Of parts that were measured before, their length; else as long as the workload says, on a machine of this speed. */
function estimateMinutes(steps: readonly Step[], { samples, slowness = 1 }: Results): string {
  const seconds = steps.map(({ contender, workload }) => {
    const known = samples.filter(isSame({ contender, workload }));
    return known.length > 0
      ? median(known.map((sample) => sample.seconds))
      : workloads[workload].seconds * slowness;
  });
  return (sum(seconds) / 60).toFixed(0);
}

/** Prompts depend on the round and the workload only; a negative seed is that of a warm-up. */
function createTurn(settings: Settings, contender: Contender, seed: number): Turn {
  let next = seed;
  return { contender, sizes: settings.smoke ? smokeSizes : fullSizes, nextSeed: () => next++ };
}

async function measureSlowness(turn: Turn): Promise<number> {
  const startedAt = performance.now();
  await measure(turn, 'different 1');
  return (performance.now() - startedAt) / 1000 / workloads['different 1'].seconds;
}

async function run(settings: Settings): Promise<void> {
  const startedAt = performance.now();
  const modelPath = await findBenchModel(settings);
  const results = openResults(settings, modelPath);
  const starters = listContenders(settings, modelPath);
  const names = Object.keys(starters) as ContenderName[];
  const steps = plan(settings, names).filter((step) => !results.samples.some(isSame(step)));
  const running = new Map<ContenderName, Contender>();
  const stopAll = async (): Promise<void> => {
    await Promise.all([...running.values()].map((contender) => contender.stop()));
    running.clear();
  };
  const startOne = async (name: ContenderName): Promise<Contender> => {
    const contender = running.get(name) ?? (await starters[name]!());
    if (!running.has(name)) {
      running.set(name, contender);
      results.descriptions[name] = contender.description;
      await warmUp(createTurn(settings, contender, -1000));
    }
    return contender;
  };

  let stopped = false;
  try {
    if (steps.length > 0) {
      const ours = await startOne('ours');
      results.slowness ??= await measureSlowness(createTurn(settings, ours, -500));
      progress(`${steps.length} parts, about ${estimateMinutes(steps, results)} minutes`);
    }
    for (const [at, step] of steps.entries()) {
      if (at > 0 && step.round !== steps[at - 1]?.round) await stopAll();
      await measureStep(step);
      const minutes = (performance.now() - startedAt) / 60_000;
      stopped = minutes >= settings.stopAfterMinutes && at < steps.length - 1;
      if (!stopped) continue;
      const left = steps.slice(at + 1);
      progress(
        `stopped: ${left.length} parts are left, about ${estimateMinutes(left, results)} minutes. Run the same command to go on.`,
      );
      break;
    }
  } finally {
    await stopAll();
  }
  if (!stopped)
    progress(`nothing is left to measure in ${settings.results}; FRESH=true starts anew`);
  process.stdout.write(`${writeReport(settings.results, results)}\n`);

  async function measureStep(step: Step): Promise<void> {
    const { round, contender: name, workload } = step;
    const partAt = performance.now();
    results.failures = results.failures.filter((failure) => !isSame(step)(failure));
    try {
      const seed = 1_000_000 * (round + 1) + 10_000 * workloadNames.indexOf(workload);
      const numbers = await measure(createTurn(settings, await startOne(name), seed), workload);
      const seconds = (performance.now() - partAt) / 1000;
      results.samples.push({ contender: name, workload, round, ...numbers, seconds });
      progress(
        `round ${round + 1}, ${workload}, ${name}: ${numbers.tokensPerSecond.toFixed(1)} tokens/s, first token ${numbers.firstToken.p50.toFixed(2)} s (part of ${seconds.toFixed(0)} s)`,
      );
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      progress(`round ${round + 1}, ${workload}, ${name}: FAILED, ${message}`);
      results.failures.push({ ...step, message });
      // A new process for the next part.
      await running.get(name)?.stop();
      running.delete(name);
    }
    writeResults(settings.results, results);
  }
}

function progress(text: string): void {
  process.stderr.write(`${new Date().toTimeString().slice(0, 5)} ${text}\n`);
}

// The contenders are killed in the `exit` event, which a signal does not emit by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  const settings = readSettings(process.env);
  if (process.argv[2] === 'report') {
    const results = readResults(settings.results);
    if (results === undefined)
      throw new Error(`${settings.results}: expected results, found no file`);
    process.stdout.write(`${writeReport(settings.results, results)}\n`);
  } else await run(settings);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
