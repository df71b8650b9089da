/**
 * Unpacks Debian packages into a folder. apt gets its own state folder, so this needs no root, installs nothing and starts no
 * service. Used by `debian-packages.ts` and by the console's tests.
 */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { messages } from '../../messages.ts';
import { runProgram, type Ended } from '../../program.ts';
import { createProgress, StackError } from '../../terminal.ts';

export interface Wanted {
  /** The first is required; the others are fetched if this release of Debian has them. */
  packages: readonly string[];
  /** Also fetches the dependencies that the machine lacks. */
  withDependencies: boolean;
  /** Disk space for the packages, apt's lists and the unpacked files. */
  neededMegabytes: number;
  /** Adapts the unpacked programs below `root` to run from there. */
  arrange: (root: string) => void;
}

/**
 * Fills `folder` and shows the progress on the terminal. The folder appears complete or not at all.
 * @throws StackError when the disk is too full, Error with apt's message when the packages cannot be fetched.
 */
export async function unpackPackages(folder: string, wanted: Wanted): Promise<void> {
  const draft = `${folder}.new`;
  const apt = join(draft, 'apt');
  rmSync(draft, { recursive: true, force: true });
  for (const part of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(apt, part), { recursive: true });
  }
  try {
    refuseFullDisk(draft, wanted.neededMegabytes);
    for (const file of await download(apt, wanted)) {
      await demand('dpkg-deb', ['-x', file, draft], apt);
    }
    rmSync(apt, { recursive: true });
    wanted.arrange(draft);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Returns the paths of the package files. */
async function download(apt: string, wanted: Wanted): Promise<string[]> {
  const settings = join(apt, 'apt.conf');
  const archives = join(apt, 'cache/archives');
  writeFileSync(settings, aptSettings(apt, wanted.withDependencies));
  writeFileSync(join(apt, 'status'), '');
  // Ignore a failed update: one package source of a third party may be down although Debian's own sources answered.
  const update = await run('apt-get', ['-c', settings, '-q', 'update'], apt);
  const { text: names } = await run('apt-cache', ['-c', settings, 'pkgnames'], apt);
  const known = new Set(names.split('\n'));
  const [first = ''] = wanted.packages;
  if (!known.has(first)) throw new Error(reasonIn(update.text));
  const available = wanted.packages.filter((name) => known.has(name));
  const how = wanted.withDependencies
    ? ['-y', '--no-install-recommends', '--download-only', 'install']
    : ['download'];
  await demand('apt-get', ['-c', settings, '-q', ...how, ...available], archives);
  return readdirSync(archives)
    .filter((file) => file.endsWith('.deb'))
    .map((file) => join(archives, file));
}

/**
 * Settings that apt reads after the machine's own settings, so the machine's proxies and sources still apply. Locks are off, because
 * locking dpkg's status needs root.
 */
function aptSettings(apt: string, withInstalled: boolean): string {
  return `Dir::State "${apt}";
Dir::State::lists "${apt}/lists";
Dir::State::status "${withInstalled ? '/var/lib/dpkg' : apt}/status";
Dir::Cache "${apt}/cache";
APT::Sandbox::User "root";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

/** The start of a shell script in `usr/bin` that finds its root folder, even after the folder has been moved. */
export const wrapper = `#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/../..
`;

export function writeProgram(file: string, content: string | Buffer): void {
  writeFileSync(file, content);
  chmodSync(file, 0o755);
}

function refuseFullDisk(folder: string, neededMegabytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const freeMegabytes = Math.floor((bavail * bsize) / 1e6);
  if (freeMegabytes >= neededMegabytes) return;
  throw new StackError(messages.noSpace({ folder, freeMegabytes, neededMegabytes }));
}

/** @throws Error with the program's error message if it fails. */
async function demand(program: string, args: string[], cwd: string): Promise<void> {
  const { code, text } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${program}: ${reasonIn(text)}`);
}

/** Runs a program in English, which `reasonIn` reads, and shows the progress. */
async function run(program: string, args: string[], cwd: string): Promise<Ended> {
  const progress = createProgress();
  const timer = setInterval(() => progress((seconds) => messages.step(program, seconds)), 1000);
  const ended = await runProgram(program, args, { cwd, env: { ...process.env, LC_ALL: 'C' } });
  clearInterval(timer);
  return ended;
}

/** The first error or warning in apt's output; later errors are usually its consequences. */
function reasonIn(output: string): string {
  const lines = output.trim().split('\n');
  const complaint = lines.find((line) => /^[EW]:/.test(line)) ?? lines.at(-1) ?? '';
  return complaint.replace(/^[EW]: */, '');
}
