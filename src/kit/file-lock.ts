/**
 * A lock between processes: SQLite's exclusive lock on an empty database. The operating system releases it when the process
 * that holds it exits, even by SIGKILL, so a lock is never stale.
 */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * Waits for the lock, calls `onWait` once if it has to wait, runs `work`, and releases the lock when `work` has ended.
 * @throws the system's error if the folder of `file` cannot be written, the signal's reason, and what `work` throws.
 */
export async function withFileLock<Result>(
  options: { file: string; onWait: () => void; signal?: AbortSignal; pollMillis?: number },
  work: () => Promise<Result>,
): Promise<Result> {
  const { file, onWait, signal, pollMillis = 200 } = options;
  mkdirSync(dirname(file), { recursive: true });
  // SQLite's own error for a folder that cannot be written names no path.
  accessSync(dirname(file), constants.W_OK);
  using database = new DatabaseSync(file);
  for (let waited = false; !tryLock(database); waited = true) {
    if (!waited) onWait();
    await delay(pollMillis, undefined, signal === undefined ? {} : { signal });
  }
  return await work();
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
