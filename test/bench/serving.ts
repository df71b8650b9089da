/**
 * `make bench`: how fast the service answers beside llama-server and the library's obvious use, over HTTP and SSE, on a
 * model of exactly Qwen2.5-0.5B's shape with random weights. Contenders are started anew for each round (two processes of
 * one program differ by up to 10 %), take turns within it and are compared within it; the report tells ratios, since seconds
 * say more about the machine. Progress goes to stderr.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeGguf } from '../support/models/make-gguf.ts';
import { startLlamaServer, startOneLoopEach, startOurs, type Contender } from './contenders.ts';
import { waitForQuiet } from './cpu-time.ts';
import { writeReport } from './report.ts';
import { readSettings, type Settings, type WorkloadName } from './settings.ts';
import {
  measureLong,
  measureShort,
  measureStall,
  warmUp,
  type Sample,
  type Stall,
  type Turn,
} from './workloads.ts';

const modelsDir = fileURLToPath(new URL('../../models', import.meta.url));
/** More than any part of a round needs. */
const seedsAnAttempt = 10_000;
const seedsAPart = 1_000_000;
const partsARound = 100;
/** What the rest of a quiet machine, the idle contenders among it, may use of its cores. */
const quietCores = 0.2;

function prepareModel(): string {
  const file = path.join(modelsDir, 'bench-q4_0.gguf');
  if (existsSync(file)) return file;
  progress(`writing ${file}`);
  mkdirSync(modelsDir, { recursive: true });
  makeGguf({ shape: 'bench', quant: 'q4_0', out: `${file}.part` });
  renameSync(`${file}.part`, file);
  return file;
}

async function startContenders(settings: Settings, running: Contender[]): Promise<void> {
  const { llamaServer } = settings;
  const model = prepareModel();
  running.push(await startOurs(settings, model));
  if (llamaServer !== undefined) {
    running.push(await startLlamaServer({ ...settings, llamaServer }, model));
  }
  running.push(await startOneLoopEach(settings, model));
  for (const contender of running) await warmUp(contender, settings);
}

interface Results {
  samples: Sample[];
  stalls: Stall[];
}

type Identity = Pick<Contender, 'name' | 'description'>;

/** One thing to measure in a round, for each contender. */
interface Part {
  name: string;
  measure: (turn: Turn) => Promise<Results>;
}

function planRound(settings: Settings): Part[] {
  const plan: Record<WorkloadName, Part[]> = {
    short: settings.widths.map((width) => ({
      name: `short prompts, ${width} at once`,
      measure: async (turn) => ({ samples: [await measureShort(turn, width)], stalls: [] }),
    })),
    long: settings.widths.map((width) => ({
      name: `long prompts and second turns, ${width} at once`,
      measure: async (turn) => ({ samples: await measureLong(turn, width), stalls: [] }),
    })),
    stall: [
      {
        name: 'a newcomer while three decode',
        measure: async (turn) => ({ samples: [], stalls: [await measureStall(turn)] }),
      },
    ],
  };
  return settings.workloads.flatMap((workload) => plan[workload]);
}

async function run(settings: Settings): Promise<Results & { contenders: Identity[] }> {
  const all: Results = { samples: [], stalls: [] };
  let contenders: Identity[] = [];
  for (let round = 0; round < settings.rounds; round++) {
    const running: Contender[] = [];
    try {
      await startContenders(settings, running);
      contenders = running;
      const results = await runRound(settings, running, round);
      all.samples.push(...results.samples);
      all.stalls.push(...results.stalls);
    } finally {
      await Promise.all(running.map((contender) => contender.stop()));
    }
  }
  return { ...all, contenders };
}

async function runRound(
  settings: Settings,
  contenders: readonly Contender[],
  round: number,
): Promise<Results> {
  const all: Results = { samples: [], stalls: [] };
  // Whoever comes first in one round comes last in the next.
  const first = round % contenders.length;
  const order = [...contenders.slice(first), ...contenders.slice(0, first)];
  for (const [at, part] of planRound(settings).entries()) {
    const firstSeed = (round * partsARound + at) * seedsAPart;
    const results = await measureUndisturbed(settings, part, { order, round, firstSeed });
    all.samples.push(...results.samples);
    all.stalls.push(...results.stalls);
  }
  return all;
}

/** Measures again while other programs are busy; where they never rest, the least disturbed attempt counts. */
async function measureUndisturbed(
  settings: Settings,
  part: Part,
  { order, round, firstSeed }: { order: Contender[]; round: number; firstSeed: number },
): Promise<Results> {
  let best: { results: Results; foreign: number } | undefined;
  for (let attempt = 0; attempt <= settings.repeats; attempt++) {
    const results: Results = { samples: [], stalls: [] };
    for (const contender of order) {
      // Also for the contender before: what it was asked to stop may take it a while.
      await waitForQuiet(quietCores, settings.patienceSeconds);
      // Other words in each attempt: the caches know the last one's.
      let seed = firstSeed + attempt * seedsAnAttempt;
      const turn = { settings, contender, round, nextSeed: () => seed++ };
      const { samples, stalls } = await part.measure(turn);
      results.samples.push(...samples);
      results.stalls.push(...stalls);
    }
    const measured = [...results.samples, ...results.stalls];
    const foreign = Math.max(...measured.map(({ foreignCores }) => foreignCores));
    progress(
      `round ${round + 1} of ${settings.rounds}: ${part.name}: ${foreign.toFixed(2)} cores were busy with others`,
    );
    if (best === undefined || foreign < best.foreign) best = { results, foreign };
    if (foreign <= quietCores) break;
  }
  return best!.results;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Runnable threads, on average over the last minute; those of the contender that works are among them. */
function load(): string {
  return loadavg()[0]!.toFixed(2);
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const loadBefore = load();
  const { contenders, ...results } = await run(settings);
  const names = contenders.map(({ name }) => name);
  const lines = [
    `# ${settings.rounds} rounds, ${settings.threads} threads, ${settings.shortPromptTokens} or ${settings.longPromptTokens} tokens in, ${settings.outputTokens} out`,
    contenders.map(({ name, description }) => `- ${name}: \`${description}\``).join('\n'),
    `Load of the machine at the start ${loadBefore}, at the end ${load()}.`,
    writeReport({ contenders: names, ...results }),
  ];
  process.stdout.write(`${lines.join('\n\n')}\n`);
}

// Ends by `exit`, where the contenders are killed: a signal alone would leave them running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
