/** The lines of `make logs` on a terminal. */
import { expect, test } from 'vitest';
import { formatLogLine } from '../../../stack/log-lines.ts';

const format = (text: string, columns = 100): string =>
  formatLogLine('chat', text, { columns, nameColumns: 12, paint: (_, text) => text });

const time = '2026-11-30T19:16:54.247Z';
const clock = new Date(time).toLocaleTimeString('en-GB', { hour12: false });

test('JSON of pino: time of day, process, level, message, fields without those of every line', () => {
  const line = { level: 'warn', time, pid: 1, hostname: 'vm', name: 'chat', outcome: 'failed' };
  const more = { durationSeconds: 0.00167578125, err: { message: 'no room', stack: 'at …' } };
  expect(format(JSON.stringify({ ...line, ...more, msg: 'generation' }))).toBe(
    `${clock}  chat          warn   generation  outcome=failed durationSeconds=0.001676 err=no room`,
  );
});

test('logfmt of Prometheus', () => {
  const text = `ts=${time} caller=main.go:1 level=info component="rule manager" msg="Server is \\"ready\\"."`;
  expect(format(text)).toBe(
    `${clock}  chat          info   Server is "ready".  caller=main.go:1 component=rule manager`,
  );
});

test('the lines of the supervisor, and of programs that write neither', () => {
  expect(format(`${time} chat is healthy`)).toBe(`${clock}  chat                 chat is healthy`);
  expect(format('{ half')).toBe('          chat                 { half');
});

test('one line each: cut at the width of the terminal, Chinese characters included', () => {
  const long = JSON.stringify({ level: 'info', time, msg: '模型'.repeat(100) });
  expect(format(long, 60)).toBe(`${clock}  chat          info   ${'模型'.repeat(7)}…`);
  expect(format(JSON.stringify({ level: 'info', time, msg: 'a\n\u001b[2Jb' }))).toContain('a [2Jb');
});
