/**
 * Finds Prometheus, promtool, Alertmanager and amtool: on PATH, else in Debian's packages, unpacked into `.tools/debian`. Used by
 * `make up`; `make test` runs it as `node stack/native/tools/tools.ts`.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withFileLock } from '../../../src/kit/file-lock.ts';
import { messages } from '../../messages.ts';
import { readSettings } from '../../settings.ts';
import { runCommand, say, sayWaiting, StackError } from '../../terminal.ts';
import { unpackDebianPackages } from './debian-packages.ts';

/** The names of each program; Debian renames Alertmanager. */
const programs = {
  prometheus: ['prometheus'],
  promtool: ['promtool'],
  alertmanager: ['alertmanager', 'prometheus-alertmanager'],
  amtool: ['amtool'],
} as const;

type ToolName = keyof typeof programs;

/** The absolute path of each program. */
export type Tools = Record<ToolName, string>;

/** Looks on PATH first, then in the packages that were unpacked earlier. Downloads nothing. */
export function findTools(path: string, toolsDir: string): Partial<Tools> {
  const folders = [...path.split(delimiter).filter(Boolean), unpackedBin(toolsDir)];
  const found: Partial<Tools> = {};
  for (const [tool, names] of Object.entries(programs) as [ToolName, readonly string[]][]) {
    const file = folders
      .flatMap((folder) => names.map((name) => join(folder, name)))
      .find(isExecutable);
    if (file !== undefined) found[tool] = file;
  }
  return found;
}

/** Unpacks missing tools. @throws StackError with what to install when that fails. */
export async function ensureTools(path: string, toolsDir: string): Promise<Tools> {
  const found = findTools(path, toolsDir);
  if (isComplete(found)) return found;
  const lock = { file: join(toolsDir, 'debian.lock'), onWait: sayWaiting };
  return withFileLock(lock, async () => {
    // Another `make` may have unpacked them meanwhile.
    const missing = missingFrom(findTools(path, toolsDir));
    if (missing.length > 0) {
      say(messages.fetchingTools(missing));
      try {
        await unpackDebianPackages(join(toolsDir, 'debian'));
      } catch (error) {
        if (error instanceof StackError || !(error instanceof Error)) throw error;
        throw new StackError(messages.toolsMissing(missing, error.message), { cause: error });
      }
    }
    const tools = findTools(path, toolsDir);
    if (isComplete(tools)) return tools;
    const reason = 'the packages lack the program';
    throw new StackError(messages.toolsMissing(missingFrom(tools), reason));
  });
}

function unpackedBin(toolsDir: string): string {
  return join(toolsDir, 'debian/usr/bin');
}

function missingFrom(found: Partial<Tools>): string[] {
  return Object.keys(programs).filter((tool) => !(tool in found));
}

function isComplete(found: Partial<Tools>): found is Tools {
  return missingFrom(found).length === 0;
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

if (process.argv[1] === import.meta.filename) {
  await runCommand(async () => {
    await ensureTools(process.env['PATH'] ?? '', readSettings(process.env).toolsDir);
    return 0;
  });
}
