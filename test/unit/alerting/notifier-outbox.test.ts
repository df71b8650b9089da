import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '../../../alerting/notifier/outbox/database.ts';
import { openOutbox } from '../../../alerting/notifier/outbox/outbox.ts';
import type { Alert } from '../../../alerting/notifier/webhook.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import {
  addNotification,
  createOutbox,
  virtualStart,
} from '../../support/alerting/notifier-parts.ts';

const newPath = (): string => join(mkdtempSync(join(tmpdir(), 'notifier-db-')), 'notifier.db');

/** The schema of version 1. */
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

// Fault: the outbox is of version 1.
test('a file of version 1 is migrated, and its pending notifications stay pending', () => {
  const path = newPath();
  const old = new DatabaseSync(path);
  old.exec(versionOne);
  const payload = createWebhook([createAlert()]);
  const text = JSON.stringify(payload);
  old.prepare('INSERT INTO webhooks VALUES (1, ?, ?, ?, ?)').run('default', 'key', 1000, text);
  old
    .prepare(
      "INSERT INTO notifications VALUES (1, 1, 'robot', 'group', 'pending', 2, 5000, 6000, 'timeout', 'x', NULL)",
    )
    .run();
  old.close();
  const outbox = openOutbox({ path });
  expect(outbox.due('robot', 7000)).toEqual([{ id: 1, digestId: null, isAlone: 0 }]);
  expect(outbox.read([1])).toMatchObject([{ attempts: 2, queuedAt: 1000, payload }]);
  expect(outbox.calls.since('robot', 0, 9999)).toEqual([5000]);
  outbox.close();
  openOutbox({ path }).close();
});

test('a stored payload is parsed once for all its channels, attempts and parts', () => {
  const path = newPath();
  const before = openOutbox({ path });
  const recipients = ['robot', 'mail'].map((channel) => ({ channel, alerts: null }));
  before.accept({ route: 'default', payload: createWebhook([createAlert()]), recipients }, 1000);
  before.close();
  const outbox = openOutbox({ path });
  const parse = vi.spyOn(JSON, 'parse');
  onTestFinished(() => parse.mockRestore());
  const [first] = outbox.read([1]);
  for (const ids of [[1], [2], [1, 2]]) {
    for (const { payload } of outbox.read(ids)) expect(payload).toBe(first?.payload);
  }
  outbox.list(10);
  expect(parse).toHaveBeenCalledTimes(1);
});

// Fault: the outbox is of a newer version.
test('a file of a newer version is rejected with a reason', () => {
  const path = newPath();
  openDatabase(path).exec('PRAGMA user_version = 99');
  expect(() => openOutbox({ path })).toThrow(
    /NOTIFIER_DB: cannot open .* as an outbox: its version is 99, expected 1 to 5. Move the file away./,
  );
});

test('a failed migration leaves the file unchanged', () => {
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

test('a checkpoint moves the write-ahead log into the file', () => {
  const path = newPath();
  const outbox = openOutbox({ path });
  addNotification(outbox, 'firing');
  // Reads the file without the log.
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

test('a resolved notification waits for its firing, which waits in a digest', () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name, { groupKey: name });
  outbox.joinDigest([1, 2]);
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

test('a firing after its end counts as firing again, so that the reconciliation looks at it', () => {
  const { alerts } = createOutbox();
  const firing = createWebhook([createAlert()]);
  alerts.record(firing, 'default', virtualStart);
  alerts.record(createWebhook([createAlert({ status: 'resolved' })]), 'default', virtualStart + 1);
  alerts.record(firing, 'default', virtualStart + 2);
  expect(alerts.since(0)).toMatchObject([{ status: 'firing', endsAt: null }]);
});

// Fault: the reconciliation is off for months.
test('alerts that ended are forgotten after a week, those that fire after 35 days', () => {
  const outbox = createOutbox({ path: ':memory:' });
  const day = 86_400_000;
  for (let index = 1; index <= 100; index += 1) {
    const status = index % 2 === 0 ? 'resolved' : 'firing';
    const alert = createAlert({ status, fingerprint: `alert ${index}` });
    const recipients = [{ channel: 'robot', alerts: null }];
    const payload = createWebhook([alert], `group ${index}`);
    outbox.accept({ route: 'default', payload, recipients }, virtualStart + index * day);
  }
  const kept = outbox.alerts.since(0).map(({ status }) => status);
  expect(kept.filter((status) => status === 'resolved')).toHaveLength(4);
  expect(kept.filter((status) => status === 'firing')).toHaveLength(18);
});

// Fault: Alertmanager repeats its webhooks while the halves of a refused digest wait. Result: no alert is sent twice.
test('a repeated webhook is a duplicate while the halves of a refused digest wait', () => {
  const outbox = createOutbox();
  const addAll = (): void => ['a', 'b'].forEach((name) => addNotification(outbox, name));
  addAll();
  outbox.joinDigest([1, 2]);
  const refused = { kind: 'dead', reason: 'refused', detail: 'sensitive words' } as const;
  outbox.settle([1, 2], refused, virtualStart, 0, true);
  addAll();
  expect(outbox.list(9).map(({ state }) => state)).toEqual(['pending', 'pending']);
});

test('notifications for a removed channel are dead and listed', () => {
  const outbox = createOutbox();
  addNotification(outbox, 'firing');
  expect(outbox.retireChannels(['inbox'], virtualStart)).toBe(1);
  expect(outbox.list(1)).toMatchObject([{ state: 'dead', lastReason: 'channel_removed' }]);
  expect(outbox.retireChannels(['inbox'], virtualStart)).toBe(0);
});

// Fault: a person resends a dead notification, and Alertmanager repeats its alert, then sends its end in another group.
test('the alerts of a resent notification are known again', () => {
  const outbox = createOutbox();
  const recipients = [{ channel: 'robot', alerts: null }];
  const accept = (alert: Alert, groupKey: string) =>
    outbox.accept(
      { route: 'default', payload: createWebhook([alert], groupKey), recipients },
      2000,
    );
  const firing = createAlert();
  accept(firing, 'one');
  outbox.settle([1], { kind: 'dead', reason: 'refused', detail: '' }, 3000, 0);
  expect(outbox.resend(1, 4000)).toBe('pending');
  expect(accept(firing, 'one')).toEqual([]);
  accept({ ...firing, status: 'resolved' }, 'two');
  expect(outbox.due('robot', 5000).map(({ id }) => id)).toEqual([1]);
});
