/**
 * Finds nginx: on PATH, else Debian's package, unpacked into `.tools/nginx`, and runs it with a `server` block. `make test` runs this file
 * as `node test/support/api/nginx.ts`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { withFileLock } from '../../../src/kit/file-lock.ts';
import { readSettings } from '../../../stack/settings.ts';
import { runCommand, say, sayWaiting, StackError } from '../../../stack/terminal.ts';
import {
  unpackPackages,
  wrapper,
  writeProgram,
} from '../../../stack/native/tools/debian-archive.ts';
import { isExecutable } from '../../../stack/native/tools/tools.ts';
import { connects } from '../stack/containers.ts';
import { until } from '../until.ts';

const fetchingNginx = {
  en: "Not on PATH: nginx. Unpacking Debian's package into .tools/ (about 1 MB download, nothing is installed)",
  zh: 'PATH 中没有 nginx。正在将 Debian 软件包解压到 .tools/（下载约 1 MB，不安装到系统）',
};
const nginxMissing = (reason: string) => ({
  en: `Not on PATH: nginx. Debian's package could not be fetched (${reason}). Run \`sudo apt-get install nginx\`, then run make again.`,
  zh: `PATH 中没有 nginx，Debian 软件包也无法下载（${reason}）。请运行 sudo apt-get install nginx，然后重试。`,
});

/** @returns the absolute path of nginx on PATH, else of the unpacked one */
export function findNginx(path: string, toolsDir: string): string | undefined {
  const folders = [...path.split(delimiter).filter(Boolean), '/usr/sbin', join(toolsDir, 'nginx')];
  return folders.map((folder) => join(folder, 'nginx')).find(isExecutable);
}

/** @throws StackError with what to install, if there is no nginx and none can be downloaded */
async function ensureNginx(path: string, toolsDir: string): Promise<void> {
  if (findNginx(path, toolsDir) !== undefined) return;
  const lock = { file: join(toolsDir, 'nginx.lock'), onWait: sayWaiting };
  await withFileLock(lock, async () => {
    // Another `make` may have unpacked it during the wait.
    if (findNginx(path, toolsDir) !== undefined) return;
    say(fetchingNginx);
    try {
      await unpackPackages(join(toolsDir, 'nginx'), {
        packages: ['nginx'],
        withDependencies: true,
        neededMegabytes: 100,
        arrange: wrapNginx,
      });
    } catch (error) {
      if (error instanceof StackError || !(error instanceof Error)) throw error;
      throw new StackError(nginxMissing(error.message), { cause: error });
    }
  });
}

/** A start script that finds the libraries that the machine lacks. */
function wrapNginx(root: string): void {
  const program = 'usr/sbin/nginx';
  renameSync(join(root, program), join(root, `${program}.real`));
  writeProgram(
    join(root, 'nginx'),
    `${wrapper.replace('/../..', '')}export LD_LIBRARY_PATH="$(echo "$root"/usr/lib/*-linux-gnu)"\nexec "$root/${program}.real" "$@"\n`,
  );
}

/** Runs nginx in front with this `server` block until `stop` is called. @throws Error with its log if it ends. */
export async function startNginx(server: string, port: number): Promise<{ stop(): Promise<void> }> {
  const { toolsDir } = readSettings({});
  const program = findNginx(process.env['PATH'] ?? '', toolsDir);
  if (program === undefined) throw new Error('nginx: run `node test/support/api/nginx.ts`');
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  for (const name of temporary) mkdirSync(join(folder, name));
  const paths = temporary.map((name) => `  ${name}_temp_path ${join(folder, name)};\n`).join('');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;\npid ${folder}/pid;\nworker_processes 1;\nevents {}\nhttp {\n  access_log off;\n${paths}${server}\n}\n`,
  );
  const args = ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  await until(() => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
    return connects(port, '127.0.0.1');
  });
  return {
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  await runCommand(async () => {
    await ensureNginx(process.env['PATH'] ?? '', readSettings(process.env).toolsDir);
    return 0;
  });
}
