/** When each channel was called and until when it must not be called, on disk, so that limits hold across restarts. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll, writeLazily } from './database.ts';

/** Times are milliseconds since 1970. */
export interface CallLog {
  /** Call this before the call starts, so that it counts even if the process dies during the call. */
  add(channel: string, startedAt: number): void;
  /** Starts of the calls after `time`, oldest first. Deletes earlier ones. */
  since(channel: string, time: number): number[];
  /** Allows no call before `until`. */
  block(channel: string, until: number): void;
  /** 0 when the channel was never blocked. */
  blockedUntil(channel: string): number;
}

const sql = {
  add: 'INSERT INTO calls (channel, at) VALUES (?, ?)',
  forget: 'DELETE FROM calls WHERE channel = ? AND at < ?',
  since: 'SELECT at FROM calls WHERE channel = ? AND at > ? ORDER BY at',
  block: 'INSERT OR REPLACE INTO pauses (channel, until) VALUES (?, ?)',
  blockedUntil: 'SELECT until FROM pauses WHERE channel = ?',
};

export function createCallLog(db: DatabaseSync): CallLog {
  const statements = prepareAll(db, sql);
  return {
    add: (channel, startedAt) => writeLazily(db, () => statements.add.run(channel, startedAt)),
    since(channel, time) {
      statements.forget.run(channel, time);
      return statements.since.all(channel, time).map((row) => Number(row['at']));
    },
    block: (channel, until) => void statements.block.run(channel, until),
    blockedUntil: (channel) => Number(statements.blockedUntil.get(channel)?.['until'] ?? 0),
  };
}
