/** Chooses threads, sequences and context size for a machine, from plain numbers. Used by model.ts. */

export interface Machine {
  /** Cores that this process may use. */
  cores: number;
  /** CPU quota of the cgroup, in cores; undefined where there is none. */
  quotaCores: number | undefined;
  /** Memory that is available without swapping. */
  freeBytes: number;
}

export interface Costs {
  /** Size of the file. It is mapped; its pages count as free as long as no other process needs them. */
  modelBytes: number;
  /** llama.cpp's compute buffer, and everything else that does not grow with the context. */
  fixedBytes: number;
  /** KV cache per token of each sequence. */
  bytesPerToken: number;
  trainContextTokens: number;
}

export interface Sizes {
  threads: number;
  sequences: number;
  contextTokens: number;
  /** Memory that may be used beside the model and its contexts. */
  unusedBytes: number;
  /** One sentence: the choice and its reasons. */
  sentence: string;
}

type Setting = number | 'auto';

const defaultSequences = 8;
const defaultContextTokens = 4096;
/** A smaller context is too short for a chat. */
const minContextTokens = 512;
const contextStep = 256;
/** Kept free for the API process, other programs and estimation error. */
const reserveRatio = 0.25;
const reserveBytes = 256 * 2 ** 20;

/**
 * All cores that the quota gives, a fraction rounded up: two threads decode in 51 ms where one takes 90 (measured).
 * thread-governor.ts uses fewer while other programs need cores.
 */
export function chooseThreads(setting: Setting, { cores, quotaCores = cores }: Machine): number {
  return setting === 'auto' ? Math.max(1, Math.ceil(Math.min(cores, quotaCores))) : setting;
}

/** @throws Error with the free and the needed memory, when not even the smallest choice fits. */
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
      `not enough memory: the model with ${plural(sequences, 'sequence')} of ${thousands(context)} tokens needs ${megabytes(needs(sequences, context))} MB; ${megabytes(machine.freeBytes)} MB are free, of which ${megabytes(Math.max(0, room))} MB may be used. Free some memory, choose a smaller model (CHAT_MODEL), or set both CHAT_SEQUENCES and CHAT_CONTEXT to start anyway.`,
    );
  }
  const [sequences, contextTokens] = chosen;
  const needed = needs(sequences, contextTokens);
  const cacheBytes = sequences * contextTokens * costs.bytesPerToken;
  return {
    threads,
    sequences,
    contextTokens,
    unusedBytes: Math.max(0, room - needed),
    sentence: [
      `threads ${threads} (${explainThreads(settings.threads, machine)})`,
      `${plural(sequences, 'sequence')} of ${thousands(contextTokens)} tokens (${megabytes(cacheBytes)} MB, with the model ${megabytes(needed)} of ${megabytes(machine.freeBytes)} MB free${needed > room ? ': more than is safe, but set explicitly' : ''})`,
    ].join(', '),
  };
}

/** Candidates in order of preference: reduce sequences first, then the context. */
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
  for (let size = largest; size > minContextTokens; size -= contextStep) sizes.push(size);
  return [...sizes, Math.min(largest, minContextTokens)];
}

function explainThreads(setting: Setting, { cores, quotaCores }: Machine): string {
  if (setting !== 'auto') return 'as set';
  return quotaCores !== undefined && quotaCores < cores
    ? `a quota of ${quotaCores} of ${plural(cores, 'core')}`
    : plural(cores, 'core');
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
