/** Where a program keeps its recent traces: in the file that TRACES_DB names, else in memory. Used by `sdk.ts`. */
import type { Environment } from '../environment.ts';
import { createFileStore } from './file-store.ts';
import { createMemoryStore } from './memory-store.ts';
import type { TraceKeeper, TraceLimits, TraceStore } from './traces.ts';

const inMemory: TraceLimits = { traces: 500, bytes: 8 * 2 ** 20 };
/** A trace of a chat takes 4 kB. */
const inFile: TraceLimits = { traces: 10_000, bytes: 64 * 2 ** 20, days: 14 };

/** `onProblem` gets the first reason why traces are lost. */
export function keepTraces(
  env: Environment,
  options: { limits?: TraceLimits | undefined; onProblem: (sentence: string) => void },
): TraceKeeper {
  const { limits, onProblem } = options;
  const path = env['TRACES_DB'];
  if (!path) return createMemoryStore(limits ?? inMemory);
  return createFileStore({ path, limits: limits ?? inFile, inMemory, onProblem });
}

/** For a program without telemetry. */
export const noTraces: TraceStore = {
  list: () =>
    Promise.resolve({
      traces: [],
      counts: { all: 0, slow: 0, failed: 0, rejected: 0, cancelled: 0 },
    }),
  get: () => Promise.resolve(undefined),
};
