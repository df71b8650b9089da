/** Folders of configuration that a program reads while it runs. Used by `configuration.ts` and `docker/files.ts`. */
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
 * Makes the folder contain exactly these files. Unchanged files and folders stay untouched and changed files are replaced by
 * renaming, because Prometheus watches the folder of its targets and loses all targets when the folder is recreated.
 * @param access `owner`: only the owner may read; `all`: every user may, as containers have users of their own.
 */
export function syncFolder(folder: string, files: Files, access: 'owner' | 'all'): void {
  const mode = access === 'owner' ? 0o600 : 0o644;
  for (const [name, text] of files) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
    writeFileSync(`${file}.new`, text, { mode });
    // The umask changed the mode above.
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

/** Every file below `folder`, with `within` before its path. */
export function readFolder(folder: string, within = ''): Files {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [join(within, file.slice(folder.length + 1)), readFileSync(file, 'utf8')]),
  );
}
