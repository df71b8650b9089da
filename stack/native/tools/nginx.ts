/**
 * Finds nginx: on PATH, else Debian's package, unpacked into `.tools/nginx`. Used by `make up` with NGINX_PORT and by tests.
 */
import { renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withFileLock } from '../../../src/kit/file-lock.ts';
import { say, sayWaiting, StackError } from '../../terminal.ts';
import { unpackPackages, wrapper, writeProgram } from './debian-archive.ts';
import { isExecutable } from './tools.ts';

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

/** @returns its path. @throws StackError with what to install, if there is no nginx and none can be downloaded */
export async function ensureNginx(path: string, toolsDir: string): Promise<string> {
  const found = findNginx(path, toolsDir);
  if (found !== undefined) return found;
  const lock = { file: join(toolsDir, 'nginx.lock'), onWait: sayWaiting };
  return withFileLock(lock, async () => {
    // Another `make` may have unpacked it during the wait.
    const unpacked = findNginx(path, toolsDir);
    if (unpacked !== undefined) return unpacked;
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
    return join(toolsDir, 'nginx/nginx');
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
