/**
 * Finds Prometheus, promtool, Alertmanager and amtool: on PATH, else Debian's packages unpacked into `.tools/debian`.
 * Used by `make up`; `make test` runs it as `node stack/native/tools/tools.ts`, so that the tests find all four on PATH.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { messages, runCommand, say, StackError } from '../../messages.ts';
import { withLock } from '../../lock.ts';
import { readSettings } from '../../settings.ts';
import { unpackDebianPackages } from './debian-packages.ts';

/** The names a program goes by; Debian has its own for Alertmanager. */
const programs = {
  prometheus: ['prometheus'],
  promtool: ['promtool'],
  alertmanager: ['alertmanager', 'prometheus-alertmanager'],
  amtool: ['amtool'],
} as const;

type ToolName = keyof typeof programs;

/** The absolute path of each program. */
export type Tools = Record<ToolName, string>;

/**
 * What is there, without bringing anything: PATH first, then what was unpacked earlier.
 * Given an empty `toolsDir`, the answer is PATH's alone.
 */
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

/** @throws StackError that says what to install, when the tools are neither here nor to be had. */
export async function ensureTools(path: string, toolsDir: string): Promise<Tools> {
  const found = findTools(path, toolsDir);
  if (isComplete(found)) return found;
  return withLock(join(toolsDir, 'debian.lock'), async () => {
    // Another `make` may have brought them while we waited.
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
    const reason = 'they hold no such program';
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
