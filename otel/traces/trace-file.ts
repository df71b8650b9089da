/**
 * The SQLite file of recent traces: writes batches of spans, evicts, answers queries. Used by `file-worker.ts`, because every call
 * blocks its thread. Several processes may share a file.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { traceFilters, type TraceFilter, type TraceSummary } from './rows.ts';
import {
  searchedText,
  summarise,
  toOtlpJson,
  toReadable,
  type StoredSpan,
  type StoredSpans,
} from './stored-span.ts';
import {
  evictableShare,
  slowShare,
  spansPerTrace,
  type TraceLimits,
  type TracePage,
  type TraceQuery,
} from './traces.ts';

/** "lsct": marks the file as one of recent traces. https://www.sqlite.org/pragma.html#pragma_application_id */
const applicationId = 0x6c736374;
/** Traces in a file of another version are dropped. */
const version = 1;
/** How long a write waits for another process that shares the file. */
const busyMillis = 2000;
/** Eviction makes room for this share of the limits, so that it does not run for every batch. */
const roomShare = 0.01;
/** With little traffic it runs this often, for the sake of the traces that are too old. */
const maxEvictionMillis = 3_600_000;

const schema = `
  CREATE TABLE resources (id INTEGER PRIMARY KEY, attributes TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace_id TEXT NOT NULL UNIQUE,
    started_at REAL NOT NULL,
    duration REAL NOT NULL,
    failed INTEGER NOT NULL,
    outcome TEXT,
    route TEXT,
    client TEXT,
    searched TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    summary TEXT NOT NULL
  ) STRICT;
  -- For eviction, and for counts without reading the rows.
  CREATE INDEX traces_by_rank ON traces (failed, duration, bytes, outcome, started_at, route, client);
  -- Spans of one trace that ended together, as JSON of \`StoredSpan[]\`.
  CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    resource INTEGER NOT NULL,
    spans TEXT NOT NULL
  ) STRICT;
  CREATE INDEX batches_by_trace ON batches (trace);`;

const sql = {
  addResource: 'INSERT OR IGNORE INTO resources (attributes) VALUES (?)',
  resource: 'SELECT id FROM resources WHERE attributes = ?',
  find: 'SELECT id, bytes FROM traces WHERE trace_id = ?',
  batches: `SELECT spans, attributes FROM batches JOIN resources ON resources.id = resource
    WHERE trace = ? ORDER BY batches.id`,
  putTrace: `INSERT INTO traces
    (trace_id, started_at, duration, failed, outcome, route, client, searched, bytes, summary)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (trace_id) DO UPDATE SET started_at = excluded.started_at, duration = excluded.duration,
      failed = excluded.failed, outcome = excluded.outcome, route = excluded.route, client = excluded.client,
      searched = excluded.searched, bytes = excluded.bytes, summary = excluded.summary
    RETURNING id`,
  putBatch: 'INSERT INTO batches (trace, resource, spans) VALUES (?, ?, ?)',
  size: 'SELECT COUNT(*) AS traces, COALESCE(SUM(bytes), 0) AS bytes FROM traces',
  slowest: 'SELECT duration FROM traces ORDER BY duration DESC LIMIT 1 OFFSET ?',
  // Only the oldest, because there is no index by time.
  forget:
    'DELETE FROM traces WHERE started_at < ? AND id IN (SELECT id FROM traces ORDER BY id LIMIT 1000)',
  // All but the newest. Ids have gaps: an update of a trace takes one too.
  evict: `DELETE FROM traces WHERE id IN (
    SELECT id FROM traces WHERE id <= (SELECT id FROM traces ORDER BY id DESC LIMIT 1 OFFSET ?)
    ORDER BY failed, duration LIMIT ?)`,
};

type Statements = Record<keyof typeof sql, StatementSync>;

/** Ended spans by trace: the JSON of `StoredSpan[]`, which is stored unchanged. */
export type EndedSpans = readonly { traceId: string; json: string }[];

export interface TraceFile {
  /** Writes all spans in one transaction. @throws Error of SQLite, and nothing is written. */
  add(ended: EndedSpans, resource: Attributes): void;
  list(query: TraceQuery): TracePage;
  get(traceId: string): object | undefined;
  close(): void;
}

interface Opened {
  readonly db: DatabaseSync;
  readonly statements: Statements;
  readonly limits: TraceLimits;
  /** Traces that may still be written before the next eviction. */
  room: number;
  evictedAt: number;
}

/** @throws Error if the file cannot be opened, or is something else. */
export function openTraceFile(path: string, limits: TraceLimits): TraceFile {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path, { timeout: busyMillis });
  prepareSchema(db);
  const prepared = Object.entries(sql).map(([name, text]) => [name, db.prepare(text)]);
  const statements = Object.fromEntries(prepared) as Statements;
  const file: Opened = { db, statements, limits, room: 0, evictedAt: 0 };
  return {
    add(ended, resource) {
      inTransaction(db, () => add(file, ended, resource));
    },
    list: (query) => list(file, query),
    get(traceId) {
      const id = statements.find.get(traceId)?.['id'];
      return id === undefined ? undefined : toOtlpJson(readSpans(statements, Number(id)));
    },
    close: () => db.close(),
  };
}

function prepareSchema(db: DatabaseSync): void {
  const read = (pragma: string): number => Number(db.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
  inTransaction(db, () => {
    if (read('application_id') === applicationId) {
      if (read('user_version') === version) return;
      db.exec('DROP TABLE batches; DROP TABLE traces; DROP TABLE resources');
    } else if (db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined) {
      throw new Error('it is a database of something else. Move it away');
    }
    db.exec(`${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`);
  });
  // NORMAL: a commit survives a kill of the process; a power cut loses the last ones. WAL: readers do not wait for a writer.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
}

function inTransaction(db: DatabaseSync, write: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    write();
    db.exec('COMMIT');
  } catch (error) {
    // SQLite has already rolled back when the disk is full.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function add(file: Opened, ended: EndedSpans, attributes: Attributes): void {
  const { statements } = file;
  const text = JSON.stringify(attributes);
  statements.addResource.run(text);
  const resource = Number(statements.resource.get(text)?.['id']);
  for (const { traceId, json } of ended) put(statements, traceId, resource, json);
  file.room -= ended.length;
  if (file.room <= 0 || Date.now() - file.evictedAt > maxEvictionMillis) evict(file);
}

function put(statements: Statements, traceId: string, resource: number, json: string): void {
  const stored = statements.find.get(traceId) as { id: number; bytes: number } | undefined;
  const earlier =
    stored === undefined ? [] : readBatches(statements, stored.id).flatMap(({ spans }) => spans);
  const ended = JSON.parse(json) as StoredSpan[];
  const added = ended.slice(0, spansPerTrace - earlier.length);
  if (added.length === 0) return;
  const spans = added.length < ended.length ? JSON.stringify(added) : json;
  const summary = summarise([...earlier, ...added]);
  const { startedAt, durationMillis, failed, outcome, route, client } = summary;
  const names = [outcome ?? null, route ?? null, client ?? null, searchedText(summary)] as const;
  const text = JSON.stringify(summary);
  const bytes = (stored?.bytes ?? Buffer.byteLength(text)) + Buffer.byteLength(spans);
  const times = [startedAt, durationMillis] as const;
  const row = statements.putTrace.get(traceId, ...times, Number(failed), ...names, bytes, text);
  statements.putBatch.run(Number(row?.['id']), resource, spans);
}

function readBatches(statements: Statements, id: number): StoredSpans[] {
  const rows = statements.batches.all(id) as { spans: string; attributes: string }[];
  return rows.map(({ spans, attributes }) => ({
    resource: JSON.parse(attributes) as Attributes,
    spans: JSON.parse(spans) as StoredSpan[],
  }));
}

function readSpans(statements: Statements, id: number): ReadableSpan[] {
  return readBatches(statements, id).flatMap(toReadable);
}

function evict(file: Opened): void {
  const { statements, limits } = file;
  if (limits.days !== undefined) statements.forget.run(Date.now() - limits.days * 86_400_000);
  const step = Math.max(1, Math.floor(limits.traces * roomShare));
  // Repeated, because each round evicts at most the oldest three quarters.
  for (;;) {
    const { traces, bytes } = sizeOf(statements);
    const excess = Math.max(traces - limits.traces, 0);
    if (traces <= 1 || (excess === 0 && bytes <= limits.bytes)) break;
    const kept = Math.floor(traces * (1 - evictableShare));
    statements.evict.run(kept, Math.min(excess + step - 1 || 1, traces - 1));
  }
  file.room = step;
  file.evictedAt = Date.now();
}

function sizeOf(statements: Statements): { traces: number; bytes: number } {
  return statements.size.get() as { traces: number; bytes: number };
}

type Condition = [condition: string, ...values: (string | number)[]];

function list(file: Opened, query: TraceQuery): TracePage {
  const { db, statements } = file;
  const { limit = 50, filter = 'all', sort = 'newest' } = query;
  const filters = conditionsOfFilters(statements);
  const matching = conditionsOf(query);
  const { where, values } = join([...matching, filters[filter], ...conditionsOfCursor(query)]);
  const order = sort === 'newest' ? 'id DESC' : 'duration DESC, id DESC';
  const rows = db
    .prepare(`SELECT id, duration, summary FROM traces ${where} ORDER BY ${order} LIMIT ?`)
    .all(...values, limit + 1) as { id: number; duration: number; summary: string }[];
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    traces: rows.slice(0, limit).map(({ summary }) => JSON.parse(summary) as TraceSummary),
    ...(last && { next: { id: last.id, durationMillis: last.duration } }),
    counts: countAll(file, filters, matching),
  };
}

/** One scan for all filters. */
function countAll(
  { db }: Opened,
  filters: Record<TraceFilter, Condition>,
  matching: readonly Condition[],
): TracePage['counts'] {
  const sums = traceFilters.map((name) => `COALESCE(SUM(${filters[name][0]}), 0) AS "${name}"`);
  const { where, values } = join(matching);
  const filtered = traceFilters.flatMap((name) => filters[name].slice(1));
  const row = db
    .prepare(`SELECT ${sums.join(', ')} FROM traces ${where}`)
    .get(...filtered, ...values);
  return { ...row } as TracePage['counts'];
}

function join(conditions: readonly Condition[]): { where: string; values: (string | number)[] } {
  const where = conditions.map(([text]) => `(${text})`).join(' AND ');
  return {
    where: where === '' ? '' : `WHERE ${where}`,
    values: conditions.flatMap(([, ...values]) => values),
  };
}

function conditionsOf(query: TraceQuery): Condition[] {
  const { route, client, error, from, to, minMillis, maxMillis } = query;
  const conditions: [condition: string, value: string | number | undefined][] = [
    ['route = ?', route],
    ['client = ?', client],
    ['instr(searched, ?) > 0', error?.toLowerCase()],
    ['started_at >= ?', from],
    ['started_at < ?', to],
    ['duration >= ?', minMillis],
    ['duration <= ?', maxMillis],
  ];
  return conditions.flatMap(([text, value]) => (value === undefined ? [] : [[text, value]]));
}

function conditionsOfFilters(statements: Statements): Record<TraceFilter, Condition> {
  const place = Math.ceil(sizeOf(statements).traces * slowShare) - 1;
  const slowest = statements.slowest.get(Math.max(0, place))?.['duration'];
  return {
    all: ['TRUE'],
    slow: ['duration >= ?', Number(slowest ?? 0)],
    failed: ['failed = 1'],
    rejected: ["outcome IS 'rejected'"],
    cancelled: ["outcome IS 'cancelled'"],
  };
}

function conditionsOfCursor({ cursor, sort = 'newest' }: TraceQuery): Condition[] {
  if (cursor === undefined) return [];
  const { id, durationMillis } = cursor;
  if (sort === 'newest') return [['id < ?', id]];
  return [['duration < ? OR (duration = ? AND id < ?)', durationMillis, durationMillis, id]];
}
