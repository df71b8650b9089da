/** Settings of `make bench`, from the environment. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { createSettings, integer } from '../../src/kit/settings.ts';

export const workloadNames = ['short', 'long', 'stall'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export interface Settings {
  threads: number;
  rounds: number;
  /** How often a part of a round is repeated because other programs were busy. */
  repeats: number;
  /** How long to wait for other programs to become idle before each measurement. */
  patienceSeconds: number;
  /** Numbers of concurrent streams, ascending. */
  widths: readonly number[];
  workloads: readonly WorkloadName[];
  /** Path of the program; undefined: llama-server is not measured. */
  llamaServer: string | undefined;
  /** Added to its command line, where the last of repeated flags wins. */
  llamaServerArgs: readonly string[];
  /** Sequences of each contender, and tokens per sequence. */
  sequences: number;
  contextTokens: number;
  shortPromptTokens: number;
  longPromptTokens: number;
  outputTokens: number;
}

/** @throws Error that lists every invalid setting. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const settings = createSettings(env);
  // A smoke run only checks that every part works. Its numbers are not meaningful.
  const smoke = settings.text('SMOKE') !== undefined;
  const widths = settings
    .read('WIDTHS', listOf(integer(1, 64)), smoke ? [1, 2] : [1, 2, 4, 8])
    .toSorted((a, b) => a - b);
  const read: Settings = {
    threads: settings.read('THREADS', integer(1, 256), defaultThreads()),
    rounds: settings.read('ROUNDS', integer(1, 1000), smoke ? 1 : 5),
    repeats: settings.read('REPEATS', integer(0, 1000), smoke ? 0 : 3),
    patienceSeconds: settings.read('PATIENCE', integer(0, 86_400), smoke ? 0 : 60),
    widths,
    workloads: settings.read('WORKLOADS', listOf(z.enum(workloadNames)), [...workloadNames]),
    llamaServer: settings.text('LLAMA_SERVER'),
    llamaServerArgs: (settings.text('LLAMA_SERVER_ARGS') ?? '').split(/\s+/).filter(Boolean),
    // The stall needs three streams and a new one.
    sequences: Math.max(4, ...widths),
    contextTokens: 2048,
    shortPromptTokens: smoke ? 64 : 128,
    longPromptTokens: smoke ? 300 : 1500,
    outputTokens: smoke ? 8 : 64,
  };
  settings.throwProblems();
  return read;
}

function listOf<Item extends z.ZodType<unknown, string>>(item: Item) {
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item));
}

/** One core stays free, as in the service: throughput falls 40-fold when one of llama.cpp's threads has to share its core. */
function defaultThreads(): number {
  return Math.max(1, availableParallelism() - 1);
}
