/** When each channel was called and until when it must not be called, on disk, so that limits hold across restarts. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll, writeLazily } from './database.ts';

const sql = {
  add: 'INSERT INTO calls (channel, at) VALUES (?, ?)',
  forget: 'DELETE FROM calls WHERE channel = ? AND at < ?',
  since: 'SELECT at FROM calls WHERE channel = ? AND at > ? ORDER BY at',
  block: 'INSERT OR REPLACE INTO pauses (channel, until) VALUES (?, ?)',
  blockedUntil: 'SELECT until FROM pauses WHERE channel = ?',
};

export type CallLog = ReturnType<typeof createCallLog>;

/** Times are milliseconds since 1970. */
export function createCallLog(db: DatabaseSync) {
  const statements = prepareAll(db, sql);
  return {
    /** Call this before the call starts, so that it counts even if the process dies during the call. */
    add(channel: string, startedAt: number): void {
      writeLazily(db, () => statements.add.run(channel, startedAt));
    },
    /** Starts of the calls after `time`, oldest first. Deletes earlier ones. */
    since(channel: string, time: number): number[] {
      statements.forget.run(channel, time);
      return statements.since.all(channel, time).map((row) => Number(row['at']));
    },
    /** Allows no call before `until`. */
    block: (channel: string, until: number): void => void statements.block.run(channel, until),
    /** 0 when the channel was never blocked. */
    blockedUntil: (channel: string) => Number(statements.blockedUntil.get(channel)?.['until'] ?? 0),
  };
}
