/** What the benchmark is told through the environment, checked; every problem is told in one error. */
import { availableParallelism } from 'node:os';

export const workloadNames = ['short', 'long', 'stall'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export interface Settings {
  threads: number;
  rounds: number;
  /** How often a part of a round that other programs disturbed is measured again. */
  repeats: number;
  /** How long it waits for other programs to rest before it measures. */
  patienceSeconds: number;
  /** Streams at a time, ascending. */
  widths: readonly number[];
  workloads: readonly WorkloadName[];
  /** The program, or undefined: then it is not one of the contenders. */
  llamaServer: string | undefined;
  /** Added to its command line, where a flag given twice takes its last value. */
  llamaServerArgs: readonly string[];
  /** Sequences of each contender, and the tokens that one of them holds. */
  sequences: number;
  contextTokens: number;
  shortPromptTokens: number;
  longPromptTokens: number;
  outputTokens: number;
}

/** @throws Error that lists every setting that is wrong, what was expected and what came. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];

  function text(name: string, otherwise: string): string {
    return env[name] || otherwise;
  }
  function integer(name: string, value: string, min: number, max: number): number {
    if (/^\d+$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    problems.push(`${name}: expected an integer from ${min} to ${max}, got "${value}"`);
    return min;
  }

  // A smoke run shows that every part still works; its numbers say nothing.
  const smoke = text('SMOKE', '') !== '';
  const widths = text('WIDTHS', smoke ? '1,2' : '1,2,4,8')
    .split(',')
    .map((width) => integer('WIDTHS', width.trim(), 1, 64))
    .toSorted((a, b) => a - b);
  const workloads = text('WORKLOADS', workloadNames.join(','))
    .split(',')
    .map((name) => name.trim());
  for (const name of workloads) {
    if ((workloadNames as readonly string[]).includes(name)) continue;
    problems.push(`WORKLOADS: expected some of ${workloadNames.join(', ')}, got "${name}"`);
  }
  const settings: Settings = {
    threads: integer('THREADS', text('THREADS', defaultThreads()), 1, 256),
    rounds: integer('ROUNDS', text('ROUNDS', smoke ? '1' : '5'), 1, 1000),
    repeats: integer('REPEATS', text('REPEATS', smoke ? '0' : '3'), 0, 1000),
    patienceSeconds: integer('PATIENCE', text('PATIENCE', smoke ? '0' : '60'), 0, 86_400),
    widths,
    workloads: workloads as WorkloadName[],
    llamaServer: env['LLAMA_SERVER'] || undefined,
    llamaServerArgs: text('LLAMA_SERVER_ARGS', '').split(/\s+/).filter(Boolean),
    // The stall needs three streams and a newcomer.
    sequences: Math.max(4, ...widths),
    contextTokens: 2048,
    shortPromptTokens: smoke ? 64 : 128,
    longPromptTokens: smoke ? 300 : 1500,
    outputTokens: smoke ? 8 : 64,
  };
  if (problems.length > 0) throw new Error(`The settings are wrong:\n  ${problems.join('\n  ')}`);
  return settings;
}

/** As the service chooses: llama.cpp's spin barriers fall 40-fold when a thread has to share its core. */
function defaultThreads(): string {
  return String(Math.max(1, availableParallelism() - 1));
}
