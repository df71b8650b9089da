/** Readings of a process from outside: /proc and its own /metrics. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { readProcess } from '../../../otel/process/proc.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';

/** Bytes and counts; NaN if the process has ended. */
export interface ProcessReading {
  rssBytes: number;
  /** Without pages of files, such as the model's. */
  anonymousBytes: number;
  descriptors: number;
  /** Open files without a name on a memory file system, as the engine keeps states of sequences. */
  memoryFiles: number;
  memoryFileBytes: number;
}

export function readPid(pid: number): ProcessReading {
  const facts = readProcess(pid);
  const sizes = memoryFilesOf(pid);
  return {
    rssBytes: facts?.memoryBytes ?? NaN,
    anonymousBytes: anonymousBytes(pid),
    descriptors: facts?.openFileDescriptors ?? NaN,
    memoryFiles: sizes.length,
    memoryFileBytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

function anonymousBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
  } catch {
    return NaN;
  }
}

function memoryFilesOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const link = `/proc/${pid}/fd/${fd}`;
      return /\/llamascope-[0-9a-f-]+ \(deleted\)$/.test(readlinkSync(link))
        ? [statSync(link).size]
        : [];
    });
  } catch {
    return [];
  }
}

export async function scrape(url: string): Promise<Samples> {
  return parseSamples(await (await fetch(`${url}/metrics`)).text());
}

/** The sum over all series of a metric. */
export function sumOf(samples: Samples, name: string): number {
  let sum = 0;
  for (const [key, value] of samples) if (key === name || key.startsWith(`${name}{`)) sum += value;
  return sum;
}

/** The size of an SQLite file with its journal. */
export function databaseBytes(file: string): number {
  return ['', '-wal', '-shm'].reduce((sum, suffix) => {
    return sum + (statSync(`${file}${suffix}`, { throwIfNoEntry: false })?.size ?? 0);
  }, 0);
}
