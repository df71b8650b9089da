import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createSettings,
  flag,
  hostNames,
  integer,
  integerOrAuto,
  origins,
  port,
} from '../../../src/kit/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'settings-'));

function secretFile(content: string): string {
  const file = join(folder, `secret-${content.length}`);
  writeFileSync(file, content);
  return file;
}

test('an empty variable is unset', () => {
  const settings = createSettings({ PORT: '', KEY: '' });
  expect(settings.read('PORT', port(1), 8000)).toBe(8000);
  expect(settings.secret('KEY')).toBeUndefined();
  expect(() => settings.throwProblems()).not.toThrow();
});

test('every problem is in one error', () => {
  const settings = createSettings({ PORT: 'abc', THREADS: '0', ON: 'yes', A: '1', A_FILE: '/x' });
  expect(settings.read('PORT', port(0), 8000)).toBe(8000);
  expect(settings.read('THREADS', integerOrAuto(1, 4), 'auto')).toBe('auto');
  expect(settings.read('ON', flag, false)).toBe(false);
  expect(settings.secret('A')).toBeUndefined();
  expect(() => settings.throwProblems()).toThrow(
    'Invalid settings:\n' +
      '  PORT: expected an integer from 0 to 65535, got "abc"\n' +
      '  THREADS: expected "auto" or an integer from 1 to 4, got "0"\n' +
      '  ON: expected "true" or "false", got "yes"\n' +
      '  A and A_FILE: expected one of them, got both',
  );
});

test('values are read', () => {
  const settings = createSettings({ COUNT: '7', ON: 'true', THREADS: 'auto' });
  expect(settings.read('COUNT', integer(0, 7), 1)).toBe(7);
  expect(settings.read('ON', flag, false)).toBe(true);
  expect(settings.read('THREADS', integerOrAuto(1, 4), 2)).toBe('auto');
  expect(settings.problems).toEqual([]);
});

test('names of hosts and exact origins are read from a list', () => {
  const read = (text: string, schema: typeof origins) => {
    const settings = createSettings({ LIST: text });
    return [settings.read('LIST', schema, 'wrong'), settings.problems.length];
  };
  const allowed = 'https://app.example,http://127.0.0.1:5173, app://obsidian.md';
  expect(read(allowed, origins)).toEqual([allowed.split(/, ?/), 0]);
  for (const wrong of ['*', 'null', 'app.example', 'https://app.example/', 'https://*.example']) {
    expect(read(wrong, origins)).toEqual(['wrong', 1]);
  }
  expect(read('chat,Chat.example', hostNames)).toEqual([['chat', 'Chat.example'], 0]);
  for (const wrong of ['http://chat.example', 'chat.example:443', 'chat.example/x', 'a b%']) {
    expect(read(wrong, hostNames)).toEqual(['wrong', 1]);
  }
});

test('a secret is read from the variable, or trimmed from the file', () => {
  const file = secretFile('  s3cret\n');
  const settings = createSettings({ A: 'plain', B_FILE: file });
  expect(settings.secret('A')).toBe('plain');
  expect(settings.secret('B')).toBe('s3cret');
  expect(settings.secretSource('B')).toEqual({ file });
});

test('a problem names the file and never shows a secret', () => {
  const settings = createSettings({
    A_FILE: secretFile(' '),
    B_FILE: join(folder, 'missing'),
    C: 'ftp://user:s3cret@host',
  });
  expect(settings.secret('A')).toBeUndefined();
  expect(settings.secret('B')).toBeUndefined();
  expect(settings.secretUrl('C')).toBeUndefined();
  expect(settings.problems).toEqual([
    `A_FILE: expected a file with content, ${join(folder, 'secret-1')} is empty`,
    `B_FILE: expected a readable file, got ENOENT for ${join(folder, 'missing')}`,
    'C: expected an http or https URL, got something else (not shown)',
  ]);
});
