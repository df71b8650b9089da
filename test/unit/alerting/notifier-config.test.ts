import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { kinds } from '../../../alerting/notifier/channels/channels.ts';
import { findZone, formatTime, systemZone } from '../../../alerting/notifier/message/time.ts';
import { readConfig } from '../../../alerting/notifier/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'notifier-config-'));
function fileWith(content: string): string {
  const path = join(folder, `secret-${Math.random()}`);
  writeFileSync(path, content);
  return path;
}
const names = (env: NodeJS.ProcessEnv): string[] =>
  readConfig(env).channels.map(({ name }) => name);

test('defaults: the inbox, on loopback, in English', () => {
  expect(readConfig({ TZ: 'Asia/Shanghai' })).toMatchObject({
    host: '127.0.0.1',
    port: 8060,
    url: 'http://127.0.0.1:8060',
    db: 'data/notifier.db',
    locale: 'en',
    timeZone: 'Asia/Shanghai',
    channels: [{ name: 'inbox' }],
    routes: [],
  });
});

test.each([
  [{ LANG: 'zh_CN.UTF-8' }, 'zh-CN'],
  [{ LANG: 'zh_CN.UTF-8', LLAMASCOPE_LANG: 'en' }, 'en'],
  [{ LANG: 'C', NOTIFIER_LOCALE: 'zh-CN' }, 'zh-CN'],
])('%j: notifications are in %s', (env, locale) => {
  expect(readConfig(env).locale).toBe(locale);
});

test('a robot replaces the inbox, its secrets by value or from files', () => {
  expect(names({ DINGTALK_URL: 'https://robot.example/send?access_token=x' })).toEqual([
    'dingtalk',
  ]);
  expect(names({ DINGTALK_URL_FILE: fileWith('https://robot.example/send\n') })).toEqual([
    'dingtalk',
  ]);
});

test('a token from a file has no line break', () => {
  expect(readConfig({ NOTIFIER_TOKEN_FILE: fileWith('secret\n') }).token).toBe('secret');
});

test('reached by other machines, it requires a token, or the word that everyone may ask', () => {
  for (const name of ['NOTIFIER_HOST', 'NOTIFIER_PUBLISHED_HOST']) {
    const env = { [name]: '10.0.0.7' };
    expect(() => readConfig(env)).toThrow(`NOTIFIER_TOKEN: required, because ${name}=10.0.0.7`);
    expect(() => readConfig({ ...env, NOTIFIER_ALLOW_ANONYMOUS: 'true' })).not.toThrow();
    expect(() => readConfig({ ...env, NOTIFIER_TOKEN: 'secret' })).not.toThrow();
  }
  const inside = { NOTIFIER_HOST: '0.0.0.0', NOTIFIER_PUBLISHED_HOST: '127.0.0.1' };
  expect(() => readConfig(inside)).not.toThrow();
});

test('an empty variable counts as unset', () => {
  expect(readConfig({ NOTIFIER_PORT: '', DINGTALK_URL: '', TZ: '' }).port).toBe(8060);
});

test('one error lists every problem and no secret', () => {
  const env = {
    NOTIFIER_PORT: '80a',
    NOTIFIER_URL: 'notifier:8060',
    NOTIFIER_LOCALE: 'de',
    NOTIFIER_TIME_ZONE: 'Mars/Olympus',
    DINGTALK_URL: 'canary-not-a-url',
    NOTIFIER_TOKEN: 'canary-token',
    NOTIFIER_TOKEN_FILE: '/somewhere',
    DINGTALK_SECRET_FILE: '/nowhere/secret',
  };
  expect(() => readConfig(env)).toThrow(`Invalid settings:
  DINGTALK_SECRET_FILE: expected a readable file, got ENOENT for /nowhere/secret
  DINGTALK_URL: expected an http or https URL, got something else (not shown)
  NOTIFIER_PORT: expected an integer from 0 to 65535, got "80a"
  NOTIFIER_URL: expected an http or https URL, got something else (not shown)
  NOTIFIER_LOCALE: expected zh-CN or en, got "de"
  NOTIFIER_TIME_ZONE: expected an IANA time zone like Asia/Shanghai, got "Mars/Olympus"
  NOTIFIER_TOKEN and NOTIFIER_TOKEN_FILE: expected one of them, got both`);
  expect(() => readConfig(env)).not.toThrow(/canary/);
});

test('a secret without its URL is a problem', () => {
  const sentence = 'DINGTALK_URL: required when DINGTALK_SECRET is set';
  expect(() => readConfig({ DINGTALK_SECRET: 'canary' })).toThrow(sentence);
});

const yaml = (content: string): NodeJS.ProcessEnv => ({ NOTIFIER_CONFIG: fileWith(content) });

test('a file configures several channels of a kind and their routes', () => {
  const config = readConfig(
    yaml(`
channels:
  - name: oncall
    kind: dingtalk
    url_file: ${fileWith('https://robot.example/send?access_token=x')}
    secret: secret
    mention: { mobiles: ['13800000000'] }
  - { name: office, kind: dingtalk, url: https://robot.example/send?access_token=y, card: true }
  - { name: mail, kind: email, url: smtp://127.0.0.1, from: a@example.com, to: [b@example.com] }
  - { name: chat, kind: feishu, url: https://open.example/hook/z }
  - { name: wework, kind: wecom, url: https://qy.example/send?key=k }
  - { name: hook, kind: webhook, url: https://hook.example/, token: t }
  - { name: box, kind: inbox, title: 'T', body_file: ${fileWith('{{ text | raw }}')} }
routes:
  - match: ['severity="critical"', team=~"infra|db"]
    channels: [oncall, mail]
    continue: true
  - path: office
    channels: [office]
`),
  );
  const all = ['oncall', 'office', 'mail', 'chat', 'wework', 'hook', 'box'];
  expect(config.channels.map(({ name }) => name)).toEqual(all);
  expect(config.channels.at(-1)?.texts).toEqual({ title: 'T', body: '{{ text | raw }}' });
  expect(config.routes).toMatchObject([
    { path: undefined, channels: ['oncall', 'mail'], continue: true },
    { path: 'office', channels: ['office'], continue: false },
  ]);
});

test('channels from variables are added to those of the file', () => {
  const env = {
    ...yaml('channels: [{ name: second, kind: wecom, url: https://qy.example/send?key=k }]'),
    WECOM_URL: 'https://qy.example/send?key=j',
    SMTP_URL: 'smtps://user:canary@mail.example',
    MAIL_FROM: 'Alerts <a@example.com>',
    MAIL_TO: 'b@example.com, c@example.com',
    FEISHU_URL_FILE: fileWith('https://open.example/hook/z'),
  };
  expect(names(env)).toEqual(['wecom', 'feishu', 'email', 'second']);
});

test('one error lists every problem of the file by its path, and no secret', () => {
  const env = yaml(`
channels:
  - { name: one, kind: dingtalk, url: canary, sekret: canary }
  - { name: one, kind: pager }
  - { name: two, kind: wecom }
  - { name: two, kind: wecom, url: https://qy.example/?key=canary }
  - { name: three, kind: dingtalk, url: https://x.example/, card: true, mention: { all: true } }
  - { name: mail, kind: email, url: http://canary, from: nobody, to: [] }
  - { name: two, kind: webhook, url_file: /nowhere/url }
  - { name: own, kind: inbox, body: '{{ title' }
routes:
  - { match: [severity], channels: [four] }
  - { match: ['a=~"("'], channels: [two] }
  - { channels: [two], title: '{% iff %}', body: '{{ x' }
`);
  const expected = [
    'channels.0.url: expected an http or https URL, got something else (not shown)',
    'channels.0: Unrecognized key: "sekret"',
    `channels.1.kind: expected one of ${kinds.map(({ kind }) => kind).join(', ')}, got "pager"`,
    'channels.2.url: required',
    'channels.4.card: cannot be combined with mention',
    'channels.5.url: expected smtp://… or smtps://…, got something else (not shown)',
    'channels.5.from: expected an email address',
    'channels.5.to: expected an email address',
    'channels.6.url_file: expected a readable file, got ENOENT for /nowhere/url',
    'routes.0.match.0: expected a matcher like severity="critical", got "severity"',
    'routes.1.match.0: expected a regular expression, got "(" (Invalid',
    'channels.7.body: expected a Liquid template: output "{{ title" not closed, line:1, col:1',
    'routes: expected one of two, got "four"',
    'routes.2.title: expected a Liquid template: tag "iff" not found, line:1, col:1',
    'routes.2.body: expected a Liquid template: output "{{ x" not closed, line:1, col:1',
  ];
  const problems = (): unknown => {
    try {
      return readConfig(env);
    } catch (error) {
      return error;
    }
  };
  for (const sentence of expected)
    expect(String(problems())).toContain(`NOTIFIER_CONFIG: ${sentence}`);
  expect(String(problems())).not.toContain('canary');
});

test('invalid YAML is reported by its line, without its text', () => {
  const read = (): unknown => readConfig(yaml('channels:\n  - {url: canary'));
  expect(read).toThrow(/NOTIFIER_CONFIG: invalid YAML in line \d \([A-Z_]+\)/);
  expect(read).not.toThrow(/canary/);
});

test('two channels of one name, an unknown key and a missing file are problems', () => {
  const twice = '{ name: a, kind: inbox }';
  expect(() => readConfig(yaml(`channels: [${twice}, ${twice}]`))).toThrow(
    'the name "a" is used twice',
  );
  expect(() => readConfig(yaml('chanels: []'))).toThrow('Unrecognized key: "chanels"');
  expect(() => readConfig({ NOTIFIER_CONFIG: '/nowhere' })).toThrow('got ENOENT for /nowhere');
});

test('the time zone is NOTIFIER_TIME_ZONE, then TZ, then the system’s', () => {
  const zones = { NOTIFIER_TIME_ZONE: 'Asia/Shanghai', TZ: 'UTC' };
  expect(readConfig(zones).timeZone).toBe('Asia/Shanghai');
  expect(readConfig({ TZ: 'Europe/Paris' }).timeZone).toBe('Europe/Paris');
  expect(readConfig({}).timeZone).toBe(systemZone());
});

test.each([
  ['/usr/share/zoneinfo/Asia/Shanghai', 'Asia/Shanghai'],
  ['/usr/share/zoneinfo/Nowhere', 'UTC'],
  [undefined, 'UTC'],
])('the zone of a system whose localtime links to %s is %s', (target, zone) => {
  const localtime = join(folder, `localtime-${Math.random()}`);
  if (target !== undefined) symlinkSync(target, localtime);
  expect(systemZone(localtime)).toBe(zone);
});

// Fault: `TZ` is `CST-8`, or starts with a colon. Result: times are in that zone, without a warning.
test.each([
  ['CST-8', '+08:00'],
  ['<+0530>-5:30', '+05:30'],
  ['EST5', '-05:00'],
  [':Asia/Shanghai', 'Asia/Shanghai'],
  ['EST5EDT', findZone('EST5EDT')],
])('TZ=%s means %s, without a warning', (TZ, zone) => {
  const { timeZone, warnings } = readConfig({ TZ });
  expect([timeZone, warnings]).toEqual([zone, []]);
});

// Fault: `TZ` is a zone that `Intl` does not know.
test('a TZ that means no zone is a warning, and the system’s zone is used', () => {
  const { timeZone, warnings } = readConfig({ TZ: 'CET-1CEST,M3.5.0,M10.5.0/3' });
  expect(timeZone).toBe(systemZone());
  expect(warnings).toEqual([expect.stringContaining('TZ: expected an IANA time zone')]);
});

test('links that a phone cannot open are a warning, unless the inbox is the only channel', () => {
  const env = { WECOM_URL: 'https://example.com/?key=x' };
  expect(readConfig({}).warnings).toEqual([]);
  expect(readConfig(env).warnings).toEqual([
    expect.stringMatching(/^NOTIFIER_PUBLIC_URL: links in messages point to 127\.0\.0\.1/),
    expect.stringMatching(/^PROMETHEUS_PUBLIC_URL: links in messages point to 127\.0\.0\.1/),
  ]);
  const urls = {
    NOTIFIER_PUBLIC_URL: 'https://a.example',
    PROMETHEUS_PUBLIC_URL: 'https://b.example',
  };
  expect(readConfig({ ...env, ...urls }).warnings).toEqual([]);
});

test('a thousand times are written with the formats of one', () => {
  const create = vi.spyOn(Intl, 'DateTimeFormat');
  onTestFinished(() => create.mockRestore());
  const write = (at: number): string => formatTime(Date.UTC(2026, 5, 1) + at, 'Asia/Tokyo');
  expect(write(0)).toBe('2026-06-01 09:00:00 (Asia/Tokyo)');
  const formats = create.mock.calls.length;
  expect(formats).toBeGreaterThan(0);
  for (let at = 1; at < 1000; at++) write(at);
  expect(create.mock.calls).toHaveLength(formats);
});
