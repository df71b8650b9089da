/** The thread that `database.ts` starts: checkpoints the outbox while requests go on. */
import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';

const everyMillis = 2000;

const db = new DatabaseSync((workerData as { path: string }).path);
db.exec('PRAGMA wal_autocheckpoint = 0');
setInterval(() => {
  try {
    db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  } catch {
    // A disk that is full or busy now is tried again; what is in the log is as safe there as in the file.
  }
}, everyMillis);
