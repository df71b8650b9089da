/** The file of recent traces: it survives the program, is bounded by age, and costs the program nothing when it is broken. */
import { ROOT_CONTEXT, type Attributes } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createFileStore } from '../../../otel/traces/file-store.ts';
import { openTraceFile } from '../../../otel/traces/trace-file.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'trace-file-'));
const limits = { traces: 100, bytes: 1e9 };

afterAll(() => rmSync(folder, { recursive: true }));

function open(file: string) {
  const problems: string[] = [];
  const onProblem = (sentence: string): void => void problems.push(sentence);
  const keeper = createFileStore({ path: file, limits, inMemory: limits, onProblem });
  const provider = new TracerProvider({ spanProcessors: [keeper.processor] });
  onTestFinished(() => provider.shutdown());
  const tracer = provider.getTracer('test');
  return {
    problems,
    lost: () => keeper.lost(),
    close: () => provider.shutdown(),
    add: (name: string) => tracer.startSpan(name, {}, ROOT_CONTEXT).end(),
    names: async () => (await keeper.store.list()).traces.map(({ name }) => name),
  };
}

test('keeps the traces of a program that has ended, and adds to them', async () => {
  const file = path.join(folder, 'new folder', 'kept.db');
  const first = open(file);
  first.add('before');
  await first.close();
  const second = open(file);
  second.add('after');
  expect(await second.names()).toEqual(['after', 'before']);
  expect(second.problems).toEqual([]);
});

test('writes all that waits before it closes', async () => {
  const file = path.join(folder, 'many.db');
  const store = open(file);
  for (let index = 0; index < 2000; index += 1) store.add(`trace ${index}`);
  await store.close();
  expect(openTraceFile(file, { traces: 9999, bytes: 1e9 }).list({}).traces[0]).toMatchObject({
    name: 'trace 1999',
  });
});

test('keeps the traces of a killed program, but for the last second', async () => {
  const file = path.join(folder, 'killed.db');
  const program = `
    import { startTelemetry } from '${path.resolve('otel/sdk.ts')}';
    const telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1' });
    telemetry.tracer.startSpan('written').end();
    await telemetry.traces.list();
    telemetry.tracer.startSpan('waiting').end();
    process.kill(process.pid, 'SIGKILL');`;
  const child = execFile(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, TRACES_DB: file },
  });
  await new Promise((resolve) => child.once('exit', resolve));
  expect(child.signalCode).toBe('SIGKILL');
  const { traces } = openTraceFile(file, limits).list({});
  expect(traces.map(({ name }) => name)).toEqual(['written']);
});

/** A trace of one span; `daysAgo` is when it began. */
function createTrace(traceId: string, spanId: string, daysAgo = 0, attributes: Attributes = {}) {
  const start = [Date.now() / 1000 - daysAgo * 86_400, 0];
  const names = { traceId, spanId, name: spanId, scope: ['test'] };
  const facts = { kind: 0, status: { code: 0 }, attributes, events: [], links: [] };
  return { traceId, json: JSON.stringify([{ ...names, ...facts, start, end: start }]) };
}

test('drops traces that are older than its days', () => {
  const file = openTraceFile(path.join(folder, 'old.db'), { ...limits, days: 2 });
  file.add([createTrace('1', 'old', 2.1), createTrace('2', 'new', 1.9)], {});
  expect(file.list({}).traces.map(({ name }) => name)).toEqual(['new']);
});

// Fault: a captured conversation is Chinese, with three bytes per character in the file.
test('counts the bytes of its texts, not their characters', () => {
  const file = openTraceFile(path.join(folder, 'bytes.db'), { ...limits, bytes: 100_000 });
  for (let index = 0; index < 10; index += 1) {
    file.add([createTrace(`${index}`, `${index}`, 0, { text: '字'.repeat(10_000) })], {});
  }
  expect(file.list({}).traces.map(({ name }) => name)).toEqual(['9', '8', '7']);
});

test('is shared by several programs, as by replicas', () => {
  const file = path.join(folder, 'shared.db');
  const [one, other] = [openTraceFile(file, limits), openTraceFile(file, limits)];
  one.add([createTrace('a', 'first')], { 'service.instance.id': 'one' });
  other.add([createTrace('a', 'second')], { 'service.instance.id': 'other' });
  expect(one.list({}).traces).toMatchObject([{ spans: 2 }]);
  const json = JSON.stringify(other.get('a'));
  expect(json).toContain('one');
  expect(json).toContain('other');
});

test('replaces traces in the format of another version', () => {
  const file = path.join(folder, 'version.db');
  openTraceFile(file, limits).close();
  const database = new DatabaseSync(file);
  database.exec(`INSERT INTO traces VALUES (1, 'a', 1, 1, 0, '', '', '', '', 1, '{}');
    PRAGMA user_version = 99`);
  database.close();
  expect(openTraceFile(file, limits).list({}).traces).toEqual([]);
});

test.each([
  [
    'no database',
    (file: string) => writeFileSync(file, 'precious\n'.repeat(1000)),
    'not a database',
  ],
  [
    'a database of something else',
    (file: string) => {
      using database = new DatabaseSync(file);
      database.exec('CREATE TABLE precious (id INTEGER)');
    },
    'it is a database of something else. Move it away',
  ],
])(
  'leaves a file alone that is %s: says so once, and keeps the traces in memory',
  async (name, write, problem) => {
    const file = path.join(folder, `${name}.db`);
    write(file);
    const before = readFileSync(file);
    const store = open(file);
    store.add('first');
    await store.names().catch(() => {});
    store.add('second');
    expect(await store.names()).toEqual(['second', 'first']);
    expect(store.problems).toEqual([
      expect.stringMatching(
        `^traces are kept in memory until the next start, because .*${problem}`,
      ),
    ]);
    expect(store.lost()).toBe(0);
    expect(readFileSync(file)).toEqual(before);
  },
);

test('loses and counts traces while the disk is full, says so once, and goes on when there is room', async () => {
  const file = path.join(folder, 'full.db');
  const store = open(file);
  store.add('before');
  expect(await store.names()).toEqual(['before']);
  // A lock on the file keeps writes waiting until they fail, as a full disk does at once.
  const blocker = new DatabaseSync(file);
  blocker.exec('BEGIN IMMEDIATE');
  store.add('lost');
  store.add('lost too');
  expect(await store.names()).toEqual(['before']);
  blocker.exec('COMMIT');
  blocker.close();
  store.add('after');
  expect(await store.names()).toEqual(['after', 'before']);
  expect(store.lost()).toBe(2);
  expect(store.problems).toEqual([
    `traces are lost, because ${file} cannot be written: database is locked`,
  ]);
});
