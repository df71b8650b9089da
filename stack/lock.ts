/**
 * Lets one command at a time work on a folder. Used by `make up`, `make down` and by what unpacks tools. The lock is
 * SQLite's own on an empty database: the system lets go of it when its holder dies, by whatever signal, so it is never stale.
 */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { messages, say } from './messages.ts';

const SQLITE_BUSY = 5;
const pollMillis = 200;

/** Waits for the lock and says so once, runs `work`, and gives the lock back when `work` has ended. */
export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  mkdirSync(dirname(file), { recursive: true });
  // SQLite's own words about a folder that cannot be written name no path.
  accessSync(dirname(file), constants.W_OK);
  using database = new DatabaseSync(file);
  for (let waited = false; !tryLock(database); waited = true) {
    if (!waited) say(messages.otherCommandAtWork());
    await delay(pollMillis);
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
