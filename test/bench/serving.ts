/**
 * `make bench`: compares the speed of the service with llama-server and with one loop per request, over HTTP and SSE, on a model with
 * the shape of Qwen2.5-0.5B and random weights. Contenders are restarted for each round (two processes of one program differ by up to
 * 10 %) and take turns within it. The report has ratios within rounds, because absolute times depend on the machine. Progress goes to
 * stderr.
 */
import { loadavg } from 'node:os';
import { writeBenchModel } from './bench-model.ts';
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

/** More than any part of a round needs. */
const seedsPerAttempt = 10_000;
const seedsPerPart = 1_000_000;
const partsPerRound = 100;
/** Cores that other programs and idle contenders may use during a measurement. */
const quietCores = 0.2;

async function startContenders(settings: Settings, running: Contender[]): Promise<void> {
  const { llamaServer } = settings;
  const model = writeBenchModel();
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

/** One measurement of a round, made with each contender. */
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
        name: 'a long prompt while three decode',
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
  // The first contender of a round is the last of the next.
  const first = round % contenders.length;
  const order = [...contenders.slice(first), ...contenders.slice(0, first)];
  for (const [at, part] of planRound(settings).entries()) {
    const firstSeed = (round * partsPerRound + at) * seedsPerPart;
    const results = await measureUndisturbed(settings, part, { order, round, firstSeed });
    all.samples.push(...results.samples);
    all.stalls.push(...results.stalls);
  }
  return all;
}

/** Repeats the measurement while other programs are busy, and returns the least disturbed attempt. */
async function measureUndisturbed(
  settings: Settings,
  part: Part,
  { order, round, firstSeed }: { order: Contender[]; round: number; firstSeed: number },
): Promise<Results> {
  let best: { results: Results; foreign: number } | undefined;
  for (let attempt = 0; attempt <= settings.repeats; attempt++) {
    const results: Results = { samples: [], stalls: [] };
    for (const contender of order) {
      // The previous contender may still be ending its cancelled streams.
      await waitForQuiet(quietCores, settings.patienceSeconds);
      // New prompts in each attempt, because the prompts of the last attempt are cached.
      let seed = firstSeed + attempt * seedsPerAttempt;
      const turn = { settings, contender, round, nextSeed: () => seed++ };
      const { samples, stalls } = await part.measure(turn);
      results.samples.push(...samples);
      results.stalls.push(...stalls);
    }
    const measured = [...results.samples, ...results.stalls];
    const foreign = Math.max(...measured.map(({ foreignCores }) => foreignCores));
    progress(
      `round ${round + 1} of ${settings.rounds}: ${part.name}: other programs used ${foreign.toFixed(2)} cores`,
    );
    if (best === undefined || foreign < best.foreign) best = { results, foreign };
    if (foreign <= quietCores) break;
  }
  return best!.results;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Load average of the last minute, including the contenders. */
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

// The contenders are killed in the `exit` event, which a signal does not emit by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
