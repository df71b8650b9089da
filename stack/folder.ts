/** A folder of the run folder that a program reads while it runs. Used by whatever writes configuration. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Path within the folder → text. */
export type Files = Map<string, string>;

/**
 * Makes the folder hold these files and no others. What is as it should be stays untouched, folders too, and what
 * changes does so whole: Prometheus watches the folder of its targets, and loses them with it.
 * @param access `owner`: nobody else may read it; `all`: whatever user a container has
 */
export function syncFolder(folder: string, files: Files, access: 'owner' | 'all'): void {
  const mode = access === 'owner' ? 0o600 : 0o644;
  for (const [name, text] of files) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
    writeFileSync(`${file}.new`, text, { mode });
    // The umask has its say above, and not here.
    chmodSync(`${file}.new`, mode);
    renameSync(`${file}.new`, file);
  }
  mkdirSync(folder, { recursive: true });
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(file, access === 'owner' ? 0o700 : 0o755);
    else if (!files.has(file.slice(folder.length + 1))) rmSync(file);
  }
  chmodSync(folder, access === 'owner' ? 0o700 : 0o755);
}

/** All below a folder, as they are. */
export function readFolder(folder: string, within = ''): Files {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [join(within, file.slice(folder.length + 1)), readFileSync(file, 'utf8')]),
  );
}
