/**
 * Unpacks Debian's Prometheus and Alertmanager into a folder, with an apt state of its own: no root is needed, nothing is
 * installed and no system service starts. Used by `tools.ts` on machines that have neither.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { messages, say, StackError } from '../messages.ts';

/** The programs, and what Prometheus' page is drawn with. Debian 13 has promtool in a package of its own. */
const wanted = [
  'prometheus',
  'promtool',
  'prometheus-alertmanager',
  'fonts-glyphicons-halflings',
  'libjs-bootstrap4',
  'libjs-d3',
  'libjs-eonasdan-bootstrap-datetimepicker',
  'libjs-jquery',
  'libjs-jquery-hotkeys',
  'libjs-moment',
  'libjs-moment-timezone',
  'libjs-mustache',
  'libjs-popper.js',
  'libjs-rickshaw',
];
/** The packages, apt's lists and what comes out of both. */
const neededMegabytes = 400;
const progressMillis = 3000;

/**
 * Fills `folder` and tells progress on the terminal. The folder appears whole or not at all.
 * @throws StackError when the disk is too full, Error with apt's own words when the packages cannot be had.
 */
export async function unpackDebianPackages(folder: string): Promise<void> {
  const draft = `${folder}.new`;
  const apt = join(draft, 'apt');
  rmSync(draft, { recursive: true, force: true });
  for (const part of ['lists/partial', 'cache/archives/partial', 'packages']) {
    mkdirSync(join(apt, part), { recursive: true });
  }
  try {
    refuseFullDisk(draft);
    for (const file of await download(apt)) {
      await demand('dpkg-deb', ['-x', file, draft], apt);
    }
    rmSync(apt, { recursive: true });
    wrapPrometheus(draft);
    wrapAlertmanager(draft);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** The packages' files. */
async function download(apt: string): Promise<string[]> {
  const settings = join(apt, 'apt.conf');
  const packages = join(apt, 'packages');
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(settings, aptSettings(apt));
  // A third party's source that does not answer fails the update, though Debian's own may be there.
  const update = await run('apt-get', ['-c', settings, '-q', 'update'], apt);
  const known = new Set((await demand('apt-cache', ['-c', settings, 'pkgnames'], apt)).split('\n'));
  if (!known.has('prometheus')) throw new Error(reasonIn(update.output));
  const names = wanted.filter((name) => known.has(name));
  await demand('apt-get', ['-c', settings, '-q', 'download', ...names], packages);
  return readdirSync(packages).map((file) => join(packages, file));
}

/** Read after the machine's own settings, so that its proxies and sources stay: only where apt writes is moved. */
function aptSettings(apt: string): string {
  return `Dir::State "${apt}";
Dir::State::lists "${apt}/lists";
Dir::State::status "${apt}/status";
Dir::Cache "${apt}/cache";
APT::Sandbox::User "root";
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

const wrapper = `#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/../..
`;

/** Debian's Prometheus reads its page from /usr/share unless told otherwise. */
function wrapPrometheus(root: string): void {
  const program = setAside(root, 'prometheus');
  writeProgram(
    join(root, 'usr/bin/prometheus'),
    `${wrapper}exec "$root/${program}" --web.local-assets="$root/usr/share/prometheus/web" "$@"\n`,
  );
}

/**
 * Debian's Alertmanager does not start without the templates in /usr/share, whose path is compiled in (seen in 0.25,
 * 0.28 and 0.33). The copy here has a path of the same length in its place, through a descriptor that the wrapper opens.
 */
function wrapAlertmanager(root: string): void {
  const program = setAside(root, 'prometheus-alertmanager');
  const compiledIn = '/usr/share/prometheus/alertmanager';
  const here = '/proc/self/fd/9'.padEnd(compiledIn.length, '/');
  const content = readFileSync(join(root, program));
  for (let at = -1; (at = content.indexOf(compiledIn, at + 1)) !== -1;) content.write(here, at);
  writeProgram(join(root, program), content);
  writeProgram(
    join(root, 'usr/bin/prometheus-alertmanager'),
    `${wrapper}exec 9<"$root${compiledIn}"\nexec "$root/${program}" "$@"\n`,
  );
}

/** Moves a program out of `usr/bin`; returns its new path within `root`. */
function setAside(root: string, name: string): string {
  const path = `usr/lib/llamascope/${name}`;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  renameSync(join(root, 'usr/bin', name), join(root, path));
  return path;
}

function writeProgram(file: string, content: string | Buffer): void {
  writeFileSync(file, content);
  chmodSync(file, 0o755);
}

function refuseFullDisk(folder: string): void {
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
