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
  type Sample,
  type Turn,
  type WorkloadName,
} from './workloads.ts';

/** One workload in one round, for one contender after the other. It is measured as a whole, because the machine's speed changes. */
interface Part {
  round: number;
  workload: WorkloadName;
  contenders: readonly ContenderName[];
}

const isMain = (name: ContenderName) => name === 'ours' || name === 'llama-server';
/** Long workloads are measured in every third or second round. */
const everyRounds: Partial<Record<WorkloadName, number>> = {
  'documents 1': 3,
  'documents 4': 3,
  newcomer: 2,
};
const minorWorkloads = ['different 1', 'different 2', 'different 4', 'different 8'];

/** The order of the contenders is reversed in every other round. */
function plan(settings: Settings, names: readonly ContenderName[]): Part[] {
  const minor = new Set<string>(settings.smoke ? minorWorkloads.slice(0, 1) : minorWorkloads);
  const rounds = Array.from({ length: settings.rounds }, (_, round) => round);
  return rounds.flatMap((round) => {
    const turns = round % 2 === 0 ? names : names.toReversed();
    const takesPart = (name: ContenderName, workload: WorkloadName) => {
      if (isMain(name)) return round % (everyRounds[workload] ?? 1) === 0;
      // Its default of four threads takes minutes an answer on two cores.
      if (name === 'bare node-llama-cpp') return round === 0 && workload === 'different 1';
      return round < settings.minorRounds && minor.has(workload);
    };
    return workloadNames.map((workload) => ({
      round,
      workload,
      contenders: turns.filter((name) => takesPart(name, workload)),
    }));
  });
}

const isOf = (part: Part) => (sample: Pick<Sample, 'round' | 'workload'>) =>
  sample.round === part.round && sample.workload === part.workload;

/** Whether each contender has its sample, none of them while other programs kept more than `quietCores` busy. */
function isDone(part: Part, { samples }: Results, quietCores: number): boolean {
  const own = samples.filter(isOf(part));
  return (
    part.contenders.every((name) => own.some(({ contender }) => contender === name)) &&
    own.every(({ foreignCores }) => foreignCores <= quietCores)
  );
}

/** Of parts that were measured before, their length; else as long as the workload says, on a machine of this speed. */
function estimateMinutes(parts: readonly Part[], { samples, slowness = 1 }: Results): number {
  const seconds = parts.flatMap(({ workload, contenders }) =>
    contenders.map((name) => {
      const known = samples.filter(
        (sample) => sample.contender === name && sample.workload === workload,
      );
      return known.length > 0
        ? median(known.map((sample) => sample.seconds))
        : workloads[workload].seconds * slowness;
    }),
  );
  return sum(seconds) / 60;
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
  const parts = plan(settings, names).filter((part) => !isDone(part, results, settings.quietCores));
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
    if (parts.length > 0) {
      const ours = await startOne('ours');
      results.slowness ??= await measureSlowness(createTurn(settings, ours, -500));
      progress(
        `${parts.length} parts, about ${estimateMinutes(parts, results).toFixed(0)} minutes`,
      );
    }
    for (const [at, part] of parts.entries()) {
      if (at > 0 && part.round !== parts[at - 1]?.round) await stopAll();
      for (const name of part.contenders) await measurePart(part, name);
      const left = parts.slice(at + 1);
      const minutes = (performance.now() - startedAt) / 60_000;
      const next = estimateMinutes(left.slice(0, 1), results);
      stopped = minutes + next > settings.stopAfterMinutes && left.length > 0;
      if (!stopped) continue;
      progress(
        `stopped: ${left.length} parts are left, about ${estimateMinutes(left, results).toFixed(0)} minutes. Run the same command to go on.`,
      );
      break;
    }
  } finally {
    await stopAll();
  }
  if (!stopped)
    progress(`nothing is left to measure in ${settings.results}; FRESH=true starts anew`);
  process.stdout.write(`${writeReport(settings.results, results)}\n`);

  async function measurePart(part: Part, name: ContenderName): Promise<void> {
    const { round, workload } = part;
    const title = `round ${round + 1}, ${workload}, ${name}`;
    const isOld = (old: Pick<Sample, 'contender' | 'round' | 'workload'>) =>
      old.contender === name && isOf(part)(old);
    results.samples = results.samples.filter((sample) => !isOld(sample));
    results.failures = results.failures.filter((failure) => !isOld(failure));
    try {
      const seed = 1_000_000 * (round + 1) + 10_000 * workloadNames.indexOf(workload);
      const contender = await startOne(name);
      const partAt = performance.now();
      const numbers = await measure(createTurn(settings, contender, seed), workload);
      const seconds = (performance.now() - partAt) / 1000;
      results.samples.push({ contender: name, workload, round, ...numbers, seconds });
      const speeds = `${numbers.tokensPerSecond.toFixed(1)} tokens/s, first token ${numbers.firstToken.p50.toFixed(2)} s`;
      progress(`${title}: ${speeds}; others used ${numbers.foreignCores.toFixed(2)} cores`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      progress(`${title}: FAILED, ${message}`);
      results.failures.push({ contender: name, workload, round, message });
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
