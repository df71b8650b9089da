/** How many threads, sequences and tokens a machine can carry, from plain numbers. Used by model.ts. */

export interface Machine {
  /** Cores that this process may use. */
  cores: number;
  /** CPU time that the cgroup gets, in cores; undefined where there is no quota. */
  quotaCores: number | undefined;
  /** Bytes that can be had without taking them from another. */
  freeBytes: number;
}

export interface Costs {
  /** The file: its pages count as free while nobody needs them. */
  modelBytes: number;
  /** llama.cpp's compute buffer and what else a context takes at any size. */
  fixedBytes: number;
  /** The KV cache, for each token of each sequence. */
  bytesPerToken: number;
  trainContextTokens: number;
}

export interface Sizes {
  threads: number;
  sequences: number;
  contextTokens: number;
  /** What was chosen and why. */
  sentence: string;
}

type Setting = number | 'auto';

const defaultSequences = 8;
const defaultContextTokens = 4096;
/** Less than this is no longer a chat. */
const smallestContextTokens = 512;
const contextStep = 256;
/** Left to the rest of the machine: the API, what else runs, and what the estimate misses. */
const reserveRatio = 0.25;
const reserveBytes = 256 * 2 ** 20;

/**
 * One core is left to the rest of the machine: llama.cpp's threads wait for each other by spinning, and fall 40-fold
 * when one has to share its core.
 */
export function chooseThreads(setting: Setting, { cores, quotaCores = cores }: Machine): number {
  return setting === 'auto' ? Math.max(1, Math.floor(Math.min(cores, quotaCores)) - 1) : setting;
}

/** @throws Error that says what is free, what is needed and what to set, where not even the smallest context fits. */
export function chooseSizes(
  settings: { threads: Setting; sequences: Setting; contextTokens: Setting },
  machine: Machine,
  costs: Costs,
): Sizes {
  const threads = chooseThreads(settings.threads, machine);
  const room = machine.freeBytes * (1 - reserveRatio) - reserveBytes;
  const needs = (sequences: number, contextTokens: number) =>
    costs.modelBytes + costs.fixedBytes + sequences * contextTokens * costs.bytesPerToken;
  const candidates = candidatesFor(settings, costs.trainContextTokens);
  const isSet = settings.sequences !== 'auto' && settings.contextTokens !== 'auto';
  const chosen = isSet
    ? candidates[0]
    : candidates.find(([sequences, context]) => needs(sequences, context) <= room);
  if (chosen === undefined) {
    const [sequences, context] = candidates.at(-1)!;
    throw new Error(
      `not enough memory: ${megabytes(machine.freeBytes)} MB are free, of which ${megabytes(Math.max(0, room))} MB may be used, and ${megabytes(needs(sequences, context))} MB are needed for ${plural(sequences, 'sequence')} of ${thousands(context)} tokens. Free some, take a smaller model (CHAT_MODEL), or set CHAT_SEQUENCES and CHAT_CONTEXT to try all the same.`,
    );
  }
  const [sequences, contextTokens] = chosen;
  const needed = needs(sequences, contextTokens);
  const cacheBytes = sequences * contextTokens * costs.bytesPerToken;
  return {
    threads,
    sequences,
    contextTokens,
    sentence: [
      `threads ${threads} (${explainThreads(settings.threads, machine)})`,
      `${plural(sequences, 'sequence')} of ${thousands(contextTokens)} tokens (${megabytes(cacheBytes)} MB, with the model ${megabytes(needed)} of ${megabytes(machine.freeBytes)} MB free${needed > room ? ': more than is safe, as it was set' : ''})`,
    ].join(', '),
  };
}

/** From what is liked best to the least: fewer sequences first, then a shorter context. */
function candidatesFor(
  settings: { sequences: Setting; contextTokens: Setting },
  trainContextTokens: number,
): [sequences: number, contextTokens: number][] {
  const largest = Math.min(trainContextTokens, defaultContextTokens);
  const sequences =
    settings.sequences === 'auto'
      ? Array.from({ length: defaultSequences }, (_, index) => defaultSequences - index)
      : [settings.sequences];
  const contexts = settings.contextTokens === 'auto' ? steps(largest) : [settings.contextTokens];
  const [longest = largest] = contexts;
  const fewest = sequences.at(-1) ?? 1;
  return [
    ...sequences.map((count): [number, number] => [count, longest]),
    ...contexts.slice(1).map((context): [number, number] => [fewest, context]),
  ];
}

function steps(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = largest; size > smallestContextTokens; size -= contextStep) sizes.push(size);
  return [...sizes, Math.min(largest, smallestContextTokens)];
}

function explainThreads(setting: Setting, { cores, quotaCores }: Machine): string {
  if (setting !== 'auto') return 'as set';
  const has =
    quotaCores !== undefined && quotaCores < cores
      ? `a quota of ${quotaCores} of ${plural(cores, 'core')}`
      : plural(cores, 'core');
  return Math.min(cores, quotaCores ?? cores) >= 2 ? `${has}, one left to the rest` : has;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function thousands(count: number): string {
  return count.toLocaleString('en-US');
}

function megabytes(bytes: number): string {
  return thousands(Math.round(bytes / 1e6));
}
