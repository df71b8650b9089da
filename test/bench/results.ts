/** The file of results: what was measured, where and with what. It is written after every part, so that a stopped run can go on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContenderName } from './contenders.ts';
import type { Settings } from './settings.ts';
import type { Sample } from './workloads.ts';

export interface Results {
  /** Results of other subjects are not comparable. */
  subject: {
    model: string;
    modelBytes: number;
    cpu: string;
    cores: number;
    memoryGigabytes: number;
    system: string;
    smoke: boolean;
  };
  rounds: number;
  /** One entry per start of the program. */
  runs: { startedAt: string; endedAt: string; commit: string }[];
  versions: Record<string, string>;
  descriptions: Partial<Record<ContenderName, string>>;
  /** Seconds of a part on this machine, divided by those that the workloads name. */
  slowness?: number;
  samples: Sample[];
  failures: (Pick<Sample, 'contender' | 'workload' | 'round'> & { message: string })[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** @returns the results to go on with. @throws Error when an unfinished run of another subject would be lost. */
export function openResults(settings: Settings, modelPath: string): Results {
  const subject: Results['subject'] = {
    model: path.basename(modelPath),
    modelBytes: statSync(modelPath).size,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release().split('-')[0]} ${arch()}`,
    smoke: settings.smoke,
  };
  const stored = settings.fresh ? undefined : readResults(settings.results);
  const isSame = JSON.stringify(stored?.subject) === JSON.stringify(subject);
  if (stored !== undefined && !isSame) {
    throw new Error(
      `${settings.results} has results of another machine or model (${stored.subject.model}, ${stored.subject.cpu}). FRESH=true replaces them, RESULTS=file.json keeps them.`,
    );
  }
  const results: Results = stored ?? {
    subject,
    rounds: settings.rounds,
    runs: [],
    versions: {},
    descriptions: {},
    samples: [],
    failures: [],
  };
  const startedAt = new Date().toISOString();
  results.rounds = Math.max(settings.rounds, results.rounds);
  results.runs.push({ startedAt, endedAt: startedAt, commit: commitOf(root) });
  results.versions = readVersions(settings);
  return results;
}

/** @returns undefined when there is no file. */
export function readResults(file: string): Results | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : undefined;
}

/** One sample a line, numbers of 5 digits. */
export function writeResults(file: string, results: Results): void {
  results.runs.at(-1)!.endedAt = new Date().toISOString();
  const short = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  const head = JSON.stringify({ ...results, samples: [] }, short, 2);
  const lines = results.samples.map((sample) => `\n    ${JSON.stringify(sample, short)}`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    `${file}.part`,
    `${head.replace('"samples": []', () => `"samples": [${lines.join(',')}\n  ]`)}\n`,
  );
  renameSync(`${file}.part`, file);
}

function readVersions({ llamaServer, baseline }: Settings): Record<string, string> {
  const library = path.join(root, 'node_modules/node-llama-cpp');
  const versionIn = (file: string, key: string) =>
    (JSON.parse(readFileSync(path.join(library, file), 'utf8')) as Record<string, string>)[key]!;
  return {
    Node: process.version,
    'node-llama-cpp': versionIn('package.json', 'version'),
    'its llama.cpp': versionIn('llama/binariesGithubRelease.json', 'release'),
    ...(llamaServer !== undefined && { 'llama-server': versionOf(llamaServer) }),
    ours: commitOf(root),
    ...(baseline !== undefined && { 'ours before': commitOf(baseline) }),
  };
}

function versionOf(program: string): string {
  // The version is printed to stderr.
  const text = spawnSync(program, ['--version'], { encoding: 'utf8' }).stderr;
  return /version: *(.+)/.exec(text)?.[1] ?? 'unknown';
}

/** The commit of a checkout, with + for changed files. */
export function commitOf(folder: string): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'otel');
    return `${git('rev-parse', '--short=7', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}
