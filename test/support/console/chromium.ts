/**
 * Finds Chromium for the console's tests: on PATH, else Debian's packages, unpacked into `.tools/chromium` with the libraries that
 * the machine lacks. The headless shell is preferred, because it needs a third of the CPU time for a page. `make test` runs this
 * file as `node test/support/console/chromium.ts`.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
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

const shell = 'chromium-headless-shell';
/** Without it, the Chinese pages have boxes in place of characters. */
const chineseFont = 'fonts-wqy-microhei';
const names = [shell, 'chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

const fetchingChromium = {
  en: "Not on PATH: Chromium. Unpacking Debian's package into .tools/ (100 to 170 MB download, nothing is installed)",
  zh: 'PATH 中没有 Chromium。正在将 Debian 软件包解压到 .tools/（下载 100 至 170 MB，不安装到系统）',
};
const chromiumMissing = (reason: string) => ({
  en: `Not on PATH: chromium. Debian's package could not be fetched (${reason}). Put Chromium or Chrome on PATH, or run \`sudo apt-get install chromium\`, then run make again.`,
  zh: `PATH 中没有 Chromium，Debian 软件包也无法下载（${reason}）。请将 Chromium 或 Chrome 放入 PATH，或运行 sudo apt-get install chromium，然后重试。`,
});

/** @returns the absolute path of a Chromium on PATH, else of the unpacked one */
export function findChromium(path: string, toolsDir: string): string | undefined {
  return [...path.split(delimiter).filter(Boolean), join(toolsDir, 'chromium/usr/bin')]
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable);
}

/** @throws StackError with what to install, if there is no Chromium and none can be downloaded */
export async function ensureChromium(path: string, toolsDir: string): Promise<void> {
  if (findChromium(path, toolsDir) !== undefined) return;
  const lock = { file: join(toolsDir, 'chromium.lock'), onWait: sayWaiting };
  await withFileLock(lock, async () => {
    // Another `make` may have unpacked it during the wait.
    if (findChromium(path, toolsDir) !== undefined) return;
    say(fetchingChromium);
    try {
      await unpackPackages(join(toolsDir, 'chromium'), {
        packages: [shell, chineseFont],
        withDependencies: true,
        neededMegabytes: 1200,
        arrange: wrapChromium,
      });
    } catch (error) {
      if (error instanceof StackError || !(error instanceof Error)) throw error;
      throw new StackError(chromiumMissing(error.message), { cause: error });
    }
  });
}

/** Replaces Debian's start script, which expects Chromium in /usr/lib. */
function wrapChromium(root: string): void {
  const libraries = libraryFolders(root).map((folder) => `$root/${folder}`);
  mkdirSync(join(root, 'etc/fonts'), { recursive: true });
  writeFileSync(join(root, 'etc/fonts/here.conf'), fontSettings);
  const variables = [
    `LD_LIBRARY_PATH="${libraries.join(':')}"`,
    'FONTCONFIG_FILE="$root/etc/fonts/here.conf"',
  ];
  writeProgram(
    join(root, 'usr/bin', shell),
    `${wrapper}export ${variables.join(' ')}\nexec "$root/usr/lib/chromium/${shell}" "$@"\n`,
  );
}

/** The folders with shared libraries of the machine's architecture, and their subfolders. */
function libraryFolders(root: string): string[] {
  const ofMachine = ['usr/lib', 'lib']
    .flatMap((top) => foldersIn(root, top))
    .filter((folder) => folder.includes('-linux-'));
  return ofMachine
    .concat(ofMachine.flatMap((folder) => foldersIn(root, folder)))
    .filter((folder) => readdirSync(join(root, folder)).some((file) => /^lib.*\.so/.test(file)));
}

function foldersIn(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}`);
}

/** The fonts of the machine, which may have none, and those of the packages. */
const fontSettings = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">../../usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <include ignore_missing="yes">/etc/fonts/conf.d</include>
  <include ignore_missing="yes">conf.d</include>
</fontconfig>
`;

if (process.argv[1] === import.meta.filename) {
  await runCommand(async () => {
    await ensureChromium(process.env['PATH'] ?? '', readSettings(process.env).toolsDir);
    return 0;
  });
}
