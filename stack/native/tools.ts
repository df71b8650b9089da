/**
 * Prometheus and Alertmanager for the native mode: from PATH, else from Debian's packages unpacked into .tools/debian.
 * Nothing is installed, no root is needed and no system service starts.
 */
import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

// Debian calls Alertmanager prometheus-alertmanager.
const names = {
  prometheus: ['prometheus'],
  promtool: ['promtool'],
  alertmanager: ['alertmanager', 'prometheus-alertmanager'],
  amtool: ['amtool'],
} as const;

export type Tools = Record<keyof typeof names, string>;

/** Finds the tools, fetching Debian's packages once. @throws Error with what to install by hand. */
export async function ensureTools(
  root: string,
  options: { path: string; say: (line: string) => void },
): Promise<Tools> {
  const unpacked = path.join(root, '.tools/debian');
  const folders = [...options.path.split(path.delimiter), path.join(unpacked, 'usr/bin')];
  const found = findTools(folders);
  if (found !== undefined) return found;
  options.say(
    "Fetching Prometheus and Alertmanager: Debian's packages, unpacked into .tools/ (about 40 MB)",
  );
  try {
    await unpackDebianPackages(path.join(root, '.tools'), unpacked);
  } catch (error) {
    throw new Error(
      `Prometheus, promtool, Alertmanager and amtool are not on PATH, and Debian's packages cannot be fetched ` +
        `(${lastLine(error)}). Install them, for example from https://prometheus.io/download, and run make again.`,
      { cause: error },
    );
  }
  const fetched = findTools(folders);
  if (fetched === undefined)
    throw new Error(`Debian's packages hold no prometheus; see ${unpacked}`);
  return fetched;
}

function findTools(folders: readonly string[]): Tools | undefined {
  const found = Object.entries(names).map(([tool, candidates]) => [
    tool,
    candidates
      .flatMap((name) => folders.map((folder) => path.join(folder, name)))
      .find((file) => isExecutable(file)),
  ]);
  return found.every(([, file]) => file !== undefined)
    ? (Object.fromEntries(found) as Tools)
    : undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function unpackDebianPackages(toolsDir: string, unpacked: string): Promise<void> {
  const apt = path.join(toolsDir, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'debs']) {
    mkdirSync(path.join(apt, folder), { recursive: true });
  }
  // The system's sources with a state of our own.
  const options = [
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', ['-qq', ...options, 'update']);
  const debs = path.join(apt, 'debs');
  await run('apt-get', ['-qq', ...options, 'download', 'prometheus', 'prometheus-alertmanager'], {
    cwd: debs,
  });
  for (const deb of readdirSync(debs))
    await run('dpkg-deb', ['-x', path.join(debs, deb), unpacked]);
  relocateTemplates(toolsDir, unpacked);
}

// Debian's Alertmanager reads its templates from a folder whose path is compiled in; a path of the same length,
// relative to the checkout in which it is started, takes its place in our copy.
const compiledFolder = '/usr/share/prometheus/alertmanager';
const ourFolder = '.tools/alertmanager-template-files';

function relocateTemplates(toolsDir: string, unpacked: string): void {
  const target = path.join(toolsDir, path.basename(ourFolder));
  cpSync(path.join(unpacked, compiledFolder), target, { recursive: true });
  const binary = path.join(unpacked, 'usr/bin/prometheus-alertmanager');
  const content = readFileSync(binary, 'latin1').replaceAll(compiledFolder, ourFolder);
  writeFileSync(binary, content, 'latin1');
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split('\n').at(-1) ?? '';
}

// `node stack/native/tools.ts`: what `make test` runs first, so that the tests find promtool.
if (import.meta.main) {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await ensureTools(root, { path: process.env['PATH'] ?? '', say: console.log }).catch(
    (error: Error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
}
