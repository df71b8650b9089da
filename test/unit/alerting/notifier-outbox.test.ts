import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openDatabase } from '../../../alerting/notifier/outbox/database.ts';
import { openOutbox } from '../../../alerting/notifier/outbox/outbox.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import {
  addNotification,
  createOutbox,
  virtualStart,
} from '../../support/alerting/notifier-parts.ts';

const newPath = (): string => join(mkdtempSync(join(tmpdir(), 'notifier-db-')), 'notifier.db');

/** As the notifier of version 1 wrote it. */
const versionOne = `
  CREATE TABLE webhooks (id INTEGER PRIMARY KEY AUTOINCREMENT, route TEXT NOT NULL, key TEXT NOT NULL,
    received_at INTEGER NOT NULL, payload TEXT NOT NULL) STRICT;
  CREATE INDEX webhooks_by_key ON webhooks (key, received_at);
  CREATE TABLE notifications (id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE, channel TEXT NOT NULL,
    group_key TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0, last_attempt_at INTEGER, next_attempt_at INTEGER, last_reason TEXT,
    last_detail TEXT, finished_at INTEGER) STRICT;
  CREATE INDEX notifications_by_webhook ON notifications (webhook_id);
  CREATE INDEX notifications_by_attempt ON notifications (channel, last_attempt_at);
  CREATE INDEX notifications_pending ON notifications (channel, group_key, id) WHERE state = 'pending';
  PRAGMA user_version = 1;`;

test('a file of version 1 is brought up to date, and what it owes is still owed', () => {
  const path = newPath();
  const old = new DatabaseSync(path);
  old.exec(versionOne);
  const payload = JSON.stringify(createWebhook([createAlert()]));
  old.prepare('INSERT INTO webhooks VALUES (1, ?, ?, ?, ?)').run('default', 'key', 1000, payload);
  old
    .prepare(
      "INSERT INTO notifications VALUES (1, 1, 'robot', 'group', 'pending', 2, 5000, 6000, 'timeout', 'x', NULL)",
    )
    .run();
  old.close();
  const outbox = openOutbox({ path });
  expect(outbox.due('robot', 7000)).toEqual([{ id: 1, digestId: null, isAlone: 0 }]);
  expect(outbox.read([1])).toMatchObject([{ attempts: 2, queuedAt: 1000, alerts: null, payload }]);
  expect(outbox.callsSince('robot', 0)).toEqual([5000]);
  outbox.close();
  openOutbox({ path }).close();
});

test('a file of a newer notifier is refused with a sentence, and untouched', () => {
  const path = newPath();
  openDatabase(path).exec('PRAGMA user_version = 99');
  expect(() => openOutbox({ path })).toThrow(
    /NOTIFIER_DB: expected an outbox or no file at .*, got: its version is 99, not 1 to 2; move it away/,
  );
});

test('a step that fails leaves the file as it was', () => {
  const path = newPath();
  const old = new DatabaseSync(path);
  old.exec(`${versionOne} CREATE TABLE calls (x);`);
  old.close();
  expect(() => openOutbox({ path })).toThrow('NOTIFIER_DB');
  const still = new DatabaseSync(path);
  expect(still.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
  expect(
    still.prepare("SELECT 1 FROM pragma_table_info('notifications') WHERE name = 'progress'").get(),
  ).toBeUndefined();
});

test('a checkpoint moves the log into the file', () => {
  const path = newPath();
  const outbox = openOutbox({ path });
  addNotification(outbox, 'firing');
  // A reader that looks at the file alone, without the log, sees what has been moved.
  const count = (): unknown => {
    const file = new DatabaseSync(`file:${path}?immutable=1`, { readOnly: true });
    try {
      return file.prepare('SELECT COUNT(*) AS count FROM notifications').get()?.['count'];
    } catch {
      return 'no table yet';
    } finally {
      file.close();
    }
  };
  expect(count()).toBe('no table yet');
  outbox.checkpoint();
  expect(count()).toBe(1);
  outbox.close();
});

test('a resolved waits for its firing, whose digest waits, too', () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name, { groupKey: name });
  outbox.join([1, 2]);
  const retry = { kind: 'retry', reason: 'network', afterSeconds: 0, detail: '' } as const;
  outbox.settle([1, 2], retry, virtualStart, virtualStart + 5000);
  const payload = createWebhook([createAlert({ status: 'resolved', fingerprint: 'b' })], 'b');
  outbox.accept(
    { route: 'default', payload, recipients: [{ channel: 'robot', alerts: null }] },
    virtualStart,
  );
  expect(outbox.due('robot', virtualStart)).toEqual([]);
  expect(outbox.due('robot', virtualStart + 5000).map(({ id }) => id)).toEqual([1, 2, 3]);
});

test('a firing that comes again after its end is not noted as firing', () => {
  const { heard } = createOutbox();
  const firing = createWebhook([createAlert()]);
  heard.note(firing, 'default', virtualStart);
  heard.note(createWebhook([createAlert({ status: 'resolved' })]), 'default', virtualStart + 1);
  heard.note(firing, 'default', virtualStart + 2);
  expect(heard.since(0)).toMatchObject([{ status: 'resolved' }]);
});
