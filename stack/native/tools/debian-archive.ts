/**
 * Unpacks Debian's packages into a folder, with an apt state of its own: no root is needed, nothing is installed and no
 * system service starts. Used by `debian-packages.ts` and `chromium.ts` on machines that lack the programs.
 */
import { spawn } from 'node:child_process';
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
import { messages, say, StackError } from '../../messages.ts';

export interface Wanted {
  /** The first has to be known; of the others, those that this release of Debian knows are fetched. */
  packages: readonly string[];
  /** Whether what they depend on comes too, as far as the machine lacks it. */
  withDependencies: boolean;
  /** The packages, apt's lists and what comes out of both. */
  neededMegabytes: number;
  /** Makes the programs run from where they are, in the draft of the folder. */
  arrange: (root: string) => void;
}

const progressMillis = 3000;

/**
 * Fills `folder` and tells progress on the terminal. The folder appears whole or not at all.
 * @throws StackError when the disk is too full, Error with apt's own words when the packages cannot be had.
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

/** The packages' files. */
async function download(apt: string, wanted: Wanted): Promise<string[]> {
  const settings = join(apt, 'apt.conf');
  const archives = join(apt, 'cache/archives');
  writeFileSync(settings, aptSettings(apt, wanted.withDependencies));
  writeFileSync(join(apt, 'status'), '');
  // A third party's source that does not answer fails the update, though Debian's own may be there.
  const update = await run('apt-get', ['-c', settings, '-q', 'update'], apt);
  const known = new Set((await demand('apt-cache', ['-c', settings, 'pkgnames'], apt)).split('\n'));
  const [first = ''] = wanted.packages;
  if (!known.has(first)) throw new Error(reasonIn(update.output));
  const names = wanted.packages.filter((name) => known.has(name));
  const how = wanted.withDependencies
    ? ['-y', '--no-install-recommends', '--download-only', 'install']
    : ['download'];
  await demand('apt-get', ['-c', settings, '-q', ...how, ...names], archives);
  return readdirSync(archives)
    .filter((file) => file.endsWith('.deb'))
    .map((file) => join(archives, file));
}

/**
 * Read after the machine's own settings, so that its proxies and sources stay: only where apt writes is moved. What is
 * installed is read from dpkg's status, if it matters, without a lock: that would take root.
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

/** A shell script to run something of the folder, wherever that was moved. */
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

/** The output of a program. @throws Error with its last words when it is not there or fails. */
async function demand(program: string, args: string[], cwd: string): Promise<string> {
  const { code, output } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${program}: ${reasonIn(output)}`);
  return output;
}

async function run(
  program: string,
  args: string[],
  cwd: string,
): Promise<{ code: number | null; output: string }> {
  const startedAt = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedAt) / 1000);
  const progress = setInterval(() => say(messages.step(program, seconds())), progressMillis);
  try {
    return await new Promise((resolve, reject) => {
      let output = '';
      // One language, since `reasonIn` reads it.
      const env = { ...process.env, LC_ALL: 'C' };
      const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => (output += text));
      }
      child.on('error', (error) => {
        const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
        reject(gone ? new Error(`no ${program} here`) : error);
      });
      child.on('close', (code) => resolve({ code, output }));
    });
  } finally {
    clearInterval(progress);
  }
}

/** The first complaint in apt's output, without the ones that follow from it. */
function reasonIn(output: string): string {
  const lines = output.trim().split('\n');
  const complaint = lines.find((line) => /^[EW]:/.test(line)) ?? lines.at(-1) ?? '';
  return complaint.replace(/^[EW]: */, '');
}
