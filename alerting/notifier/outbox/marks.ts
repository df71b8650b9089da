/** Named times that survive a restart: when the Watchdog last arrived, how far the reconciliation got. Part of the outbox. */
import type { DatabaseSync } from 'node:sqlite';

/** Times are milliseconds since 1970. */
export interface Marks {
  get(name: string): number | undefined;
  /** Undefined removes the mark. */
  set(name: string, at: number | undefined): void;
}

export function createMarks(db: DatabaseSync): Marks {
  const select = db.prepare('SELECT at FROM marks WHERE name = ?');
  const replace = db.prepare('INSERT OR REPLACE INTO marks (name, at) VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM marks WHERE name = ?');
  return {
    get: (name) => select.get(name)?.['at'] as number | undefined,
    set: (name, at) => void (at === undefined ? remove.run(name) : replace.run(name, at)),
  };
}
