import { trace } from '@opentelemetry/api';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { sendHeartbeat } from '../../../alerting/notifier/watch/heartbeat.ts';
import { createIntake } from '../../../alerting/notifier/intake.ts';
import type { Outbox } from '../../../alerting/notifier/outbox/outbox.ts';
import { renderMessage } from '../../../alerting/notifier/message/message.ts';
import { createWatchdog } from '../../../alerting/notifier/watch/watchdog.ts';
import {
  chinese,
  createOutbox,
  english,
  virtualStart,
} from '../../support/alerting/notifier-parts.ts';

let now = virtualStart;

function start(outbox: Outbox, silenceSeconds = 300) {
  const channels = ['robot', 'inbox'];
  const tracer = trace.getTracer('test');
  const clock = (): number => now;
  const intake = createIntake({
    outbox,
    routes: [],
    channels,
    tracer,
    onAccepted: () => undefined,
    now: clock,
  });
  const { marks } = outbox;
  const runbookUrl = 'http://127.0.0.1:8060/runbooks';
  return createWatchdog({ marks, intake, silenceSeconds, runbookUrl, now: clock, elapsed: clock });
}

const titles = (outbox: Outbox): string[] =>
  outbox
    .list(99)
    .toReversed()
    .map((notification) => {
      return `${notification.channel} ${renderMessage([notification.payload], english).title}`;
    });

// Fault: the Watchdog does not arrive. Alone: nothing.
test('five minutes without the Watchdog raise one alert on every channel, and its return resolves it', () => {
  const outbox = createOutbox();
  const watchdog = start(outbox);
  watchdog.received();
  for (now += 299_000; now < virtualStart + 299_500; now += 1000) watchdog.check();
  expect(titles(outbox)).toEqual([]);
  now = virtualStart + 300_000;
  watchdog.check();
  now += 60_000;
  watchdog.check();
  expect(titles(outbox)).toEqual([
    'robot [critical] The alert path is down (WatchdogSilent)',
    'inbox [critical] The alert path is down (WatchdogSilent)',
  ]);
  now += 60_000;
  watchdog.received();
  watchdog.received();
  expect(titles(outbox).slice(2)).toEqual([
    'robot [resolved] The alert path is down (WatchdogSilent), lasted 7m',
    'inbox [resolved] The alert path is down (WatchdogSilent), lasted 7m',
  ]);
  now += 300_000;
  watchdog.check();
  expect(titles(outbox)).toHaveLength(6);
  const back = outbox.list(3).at(-1);
  if (back === undefined) throw new Error('no notification');
  const { title, notes } = renderMessage([back.payload], chinese);
  expect(title).toBe('【已恢复】告警链路中断（WatchdogSilent），持续 7 分');
  expect(notes).toEqual(['由通知服务自身发出']);
});

test('a restart neither repeats the alert nor forgets to resolve it', () => {
  const outbox = createOutbox();
  start(outbox).received();
  now += 300_000;
  // The Watchdog could not arrive while the notifier was down, so the wait starts again.
  const second = start(outbox);
  second.check();
  expect(titles(outbox)).toEqual([]);
  now += 300_000;
  second.check();
  const third = start(outbox);
  now += 600_000;
  third.check();
  expect(titles(outbox)).toHaveLength(2);
  third.received();
  expect(titles(outbox)).toHaveLength(4);
});

test('a Watchdog that never arrived raises the alert too; 0 seconds raise none', () => {
  const [outbox, quiet] = [createOutbox(), createOutbox()];
  const [watchdog, off] = [start(outbox), start(quiet, 0)];
  now += 300_000;
  watchdog.check();
  off.check();
  expect(titles(outbox)).toHaveLength(2);
  expect(titles(quiet)).toEqual([]);
});

test('the heartbeat is sent while the outbox can be written, and its URL is never logged', async () => {
  let pings = 0;
  const server = createServer((_, response) => {
    pings += 1;
    response.writeHead(pings === 1 ? 200 : 500).end();
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/canary-token`);
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const { marks } = createOutbox();
  await sendHeartbeat(url, { marks, log });
  expect([pings, lines]).toEqual([1, []]);
  await sendHeartbeat(url, { marks, log });
  server.close();
  server.closeAllConnections();
  await sendHeartbeat(url, { marks, log });
  const full = {
    set: () => {
      throw new Error('disk full');
    },
  };
  await sendHeartbeat(url, { marks: full, log });
  expect(pings).toBe(2);
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'heartbeat refused',
    'heartbeat failed: no answer',
    'heartbeat skipped: cannot write to the outbox',
  ]);
  expect(lines.join('')).not.toContain('canary');
});
