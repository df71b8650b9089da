/** The file of results of `make chaos`, written after every part, so that a run that was stopped goes on where it was. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { commitOf } from '../../bench/results.ts';
import type { Row } from './section.ts';

export interface PartResult {
  commit: string;
  machine: string;
  endedAt: string;
  seconds: number;
  rows: readonly Row[];
}

/** By the name of the part, such as `storms/engine`. */
export type Results = Record<string, PartResult>;

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const resultsFile = process.env['RESULTS'] ?? `${root}/test/chaos/results.json`;

export function readResults(): Results {
  return existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results) : {};
}

/** Reads the file again before it writes, because parts may run in several processes. */
export function addResult(name: string, rows: readonly Row[], seconds: number): void {
  const result: PartResult = {
    commit: commitOf(root),
    machine: describeMachine(),
    endedAt: new Date().toISOString(),
    seconds: Math.round(seconds),
    rows,
  };
  const all = Object.entries({ ...readResults(), [name]: result });
  const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(`${resultsFile}.part`, `${JSON.stringify(sorted, undefined, 2)}\n`);
  renameSync(`${resultsFile}.part`, resultsFile);
}

function describeMachine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return `${availableParallelism()} cores, ${model}, ${gigabytes} GB, ${process.platform} ${release().split('-')[0]}, Node ${process.version}`;
}
