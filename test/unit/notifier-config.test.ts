import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../alerting/notifier/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'notifier-config-'));
function fileWith(content: string): string {
  const path = join(folder, `secret-${Math.random()}`);
  writeFileSync(path, content);
  return path;
}
const names = (env: NodeJS.ProcessEnv): string[] =>
  readConfig(env).channels.map(({ name }) => name);

test('a machine without robots has the inbox, on loopback, in Chinese', () => {
  expect(readConfig({ TZ: 'Asia/Shanghai' })).toMatchObject({
    host: '127.0.0.1',
    port: 8060,
    db: 'data/notifier.db',
    locale: 'zh-CN',
    timeZone: 'Asia/Shanghai',
    channels: [{ name: 'inbox' }],
    routes: new Map([['default', ['inbox']]]),
  });
});

test('a robot takes the place of the inbox, its secrets by value or from files', () => {
  expect(names({ DINGTALK_URL: 'https://robot.example/send?access_token=x' })).toEqual([
    'dingtalk',
  ]);
  expect(names({ DINGTALK_URL_FILE: fileWith('https://robot.example/send\n') })).toEqual([
    'dingtalk',
  ]);
});

test('a token is read from a file without its line end', () => {
  expect(readConfig({ NOTIFIER_TOKEN_FILE: fileWith('hush\n') }).token).toBe('hush');
});

test('an empty variable is an unset one', () => {
  expect(readConfig({ NOTIFIER_PORT: '', DINGTALK_URL: '', TZ: '' }).port).toBe(8060);
});

test('every problem is told at once, and no secret', () => {
  const env = {
    NOTIFIER_PORT: '80a',
    NOTIFIER_LOCALE: 'de',
    TZ: 'Mars/Olympus',
    DINGTALK_URL: 'canary-not-a-url',
    NOTIFIER_TOKEN: 'canary-token',
    NOTIFIER_TOKEN_FILE: '/somewhere',
    DINGTALK_SECRET_FILE: '/nowhere/secret',
  };
  expect(() => readConfig(env)).toThrow(`The settings are wrong:
  DINGTALK_URL: expected an http or https URL, got something else (not shown)
  DINGTALK_SECRET_FILE: expected a readable file, got ENOENT for /nowhere/secret
  NOTIFIER_PORT: expected an integer from 0 to 65535, got "80a"
  NOTIFIER_LOCALE: expected zh-CN or en, got "de"
  TZ: expected an IANA time zone like Asia/Shanghai, got "Mars/Olympus"
  NOTIFIER_TOKEN and NOTIFIER_TOKEN_FILE: expected one of them, got both`);
  expect(() => readConfig(env)).not.toThrow(/canary/);
});

test('a secret without its robot is a problem', () => {
  const sentence = 'DINGTALK_SECRET: expected DINGTALK_URL beside it';
  expect(() => readConfig({ DINGTALK_SECRET: 'canary' })).toThrow(sentence);
});
