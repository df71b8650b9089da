/** Finds the copy of node-llama-cpp that the program imports. */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const name = 'node-llama-cpp';

export interface Found {
  /** The main file of node-llama-cpp; undefined if it is not installed. */
  file?: string;
  /** A sentence for the log if node-llama-cpp is not installed, or installed twice. */
  problem?: string;
}

/** Looks from `entry`, by default the file that started the program, or from the current folder without one; then from this package. */
export function findNodeLlamaCpp(entry = process.argv[1]): Found {
  const fromProgram = resolveFrom(realPath(entry) ?? join(process.cwd(), 'program'));
  const fromHere = resolveFrom(import.meta.filename);
  const file = fromProgram ?? fromHere;
  if (file === undefined) {
    return {
      problem: `${name} was not found from ${entry ?? process.cwd()}: nothing is observed.`,
    };
  }
  if (fromHere === undefined || fromHere === file) return { file };
  const problem = `There are two copies of ${name}. Observed: ${file}. Not observed: ${fromHere}.`;
  return { file, problem };
}

/** npm starts programs through links in `.bin`. */
function realPath(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : realpathSync(file);
  } catch {
    // An entry without its extension, as in `node app`.
    return file;
  }
}

function resolveFrom(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return createRequire(file).resolve(name);
  } catch {
    return undefined;
  }
}
