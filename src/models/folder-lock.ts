/**
 * Lets one process at a time fetch into the models folder. Used by `fetch-model.ts`. The lock is SQLite's own on an
 * empty database: the system lets go of it when its holder dies, by whatever signal, so it is never stale.
 */
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const SQLITE_BUSY = 5;

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}

/** Waits for the folder, says so once through `onWait`, and gives it back when `work` has ended. */
export async function withFolderLock<Result>(
  options: { folder: string; onWait: () => void; signal: AbortSignal; pollMillis?: number },
  work: () => Promise<Result>,
): Promise<Result> {
  const { folder, onWait, signal, pollMillis = 500 } = options;
  const database = new DatabaseSync(path.join(folder, '.fetch.lock'));
  try {
    for (let waited = false; !tryLock(database); waited = true) {
      if (!waited) onWait();
      await delay(pollMillis, undefined, { signal });
    }
    return await work();
  } finally {
    database.close();
  }
}
