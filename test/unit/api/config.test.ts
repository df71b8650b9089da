import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';

test('has a default for every setting', () => {
  expect(readConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 8000,
    model: undefined,
    sequences: 'auto',
    queueLimit: 64,
    queueTimeoutSeconds: 30,
    deadlineSeconds: 300,
    graceSeconds: 15,
    apiKeys: [],
  });
});

test('prefixes are shared by all without keys, and within a key where keys are set', () => {
  const shared = (env: NodeJS.ProcessEnv) => readConfig(env).sharePrefix;
  expect(shared({})).toBe('all');
  expect(shared({ CHAT_API_KEYS: 'one,two' })).toBe('key');
  expect(shared({ CHAT_API_KEYS: 'one,two', CHAT_SHARE_PREFIX: 'all' })).toBe('all');
  expect(shared({ CHAT_SHARE_PREFIX: 'none' })).toBe('none');
  expect(readConfig({ CHAT_CACHE_MB: '0' }).cacheMegabytes).toBe(0);
  expect(() => readConfig({ CHAT_SHARE_PREFIX: 'some' })).toThrow(
    'CHAT_SHARE_PREFIX: expected "key", "all" or "none", got "some"',
  );
});

test('treats an empty variable as unset', () => {
  expect(readConfig({ CHAT_PORT: '', CHAT_API_KEYS: '' })).toMatchObject({
    port: 8000,
    apiKeys: [],
  });
});

test('lists every problem in one error, with the expected and the given value', () => {
  const broken = {
    CHAT_SEQUENCES: '0',
    CHAT_PORT: '80a',
    CHAT_HOST: 'exa mple',
    CHAT_CONTEXT: 'big',
  };
  expect(() => readConfig(broken)).toThrow(
    [
      'CHAT_HOST: expected an IP address or "localhost", got "exa mple"',
      'CHAT_PORT: expected an integer from 0 to 65535, got "80a"',
      'CHAT_SEQUENCES: expected "auto" or an integer from 1 to 64, got "0"',
      'CHAT_CONTEXT: expected "auto" or an integer from 256 to 131072, got "big"',
    ].join('\n  '),
  );
});

test('reads keys from a file and shows none in an error', () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'config-')), 'keys');
  writeFileSync(file, 'sk-canary-1\nsk-canary-2\n');
  expect(readConfig({ CHAT_API_KEYS_FILE: file }).apiKeys).toEqual(['sk-canary-1', 'sk-canary-2']);
  const both = { CHAT_API_KEYS: 'sk-canary', CHAT_API_KEYS_FILE: file };
  expect(() => readConfig(both)).toThrow(
    'CHAT_API_KEYS and CHAT_API_KEYS_FILE: expected one of them',
  );
  expect(() => readConfig(both)).not.toThrow('sk-canary');
  expect(() => readConfig({ METRICS_TOKEN_FILE: '/nowhere' })).toThrow(
    'METRICS_TOKEN_FILE: expected a readable file',
  );
});

test('reached by other machines, it requires a key, or the word that everyone may ask', () => {
  const beyond: NodeJS.ProcessEnv[] = [
    { CHAT_HOST: '0.0.0.0' },
    { CHAT_PUBLIC_HOST: 'chat.example' },
    { CHAT_PUBLISHED_HOST: '10.0.0.7' },
  ];
  for (const env of beyond) {
    const [setting = ''] = Object.keys(env);
    expect(() => readConfig(env)).toThrow(
      `CHAT_API_KEYS: required, because ${setting}=${env[setting]} lets other machines in`,
    );
    expect(() => readConfig({ ...env, CHAT_ALLOW_ANONYMOUS: 'false' })).toThrow('CHAT_API_KEYS');
    expect(() => readConfig({ ...env, CHAT_ALLOW_ANONYMOUS: 'true' })).not.toThrow();
    expect(() => readConfig({ ...env, CHAT_API_KEYS: 'sk-1' })).not.toThrow();
  }
  // In a container, whose port is published on loopback.
  const inside = { CHAT_HOST: '0.0.0.0', CHAT_PUBLIC_HOST: 'chat' };
  expect(() => readConfig({ ...inside, CHAT_PUBLISHED_HOST: '127.0.0.1' })).not.toThrow();
});

test('leaves lenient tools to the model unless CHAT_LENIENT_TOOLS is set', () => {
  const read = (env: NodeJS.ProcessEnv) => readConfig(env).lenientTools;
  expect([{}, ...['true', 'false'].map((on) => ({ CHAT_LENIENT_TOOLS: on }))].map(read)).toEqual([
    undefined,
    true,
    false,
  ]);
});

test('reads flags as true or false', () => {
  const on = { CHAT_EMBEDDINGS: 'true', CHAT_STRICT_MODEL: 'true', CHAT_HANG_SECONDS: '3' };
  expect(readConfig(on)).toMatchObject({ embeddings: true, strictModel: true, hangSeconds: 3 });
  expect(readConfig({})).toMatchObject({ embeddings: false, strictModel: false, hangSeconds: 30 });
  expect(() => readConfig({ CHAT_EMBEDDINGS: 'yes' })).toThrow(
    'CHAT_EMBEDDINGS: expected "true" or "false", got "yes"',
  );
});

test('accepts plain http and https URLs of other programs, and shows no other in its error', () => {
  const { peers, links } = readConfig({ PROMETHEUS_URL: 'http://127.0.0.1:9090/', JAEGER_URL: '' });
  expect(peers).toMatchObject({ prometheus: 'http://127.0.0.1:9090', notifier: undefined });
  expect(links).toMatchObject({ prometheus: 'http://127.0.0.1:9090', jaeger: undefined });
  expect(readConfig({ GRAFANA_URL: 'https://g.example/grafana/' }).links.grafana).toBe(
    'https://g.example/grafana',
  );
  for (const url of [
    '127.0.0.1:9090',
    'ftp://a',
    'http://u:canary@a',
    'http://canary@a',
    'http://a?canary',
    '/a',
  ]) {
    const expected = 'PROMETHEUS_URL: expected a URL such as http://127.0.0.1:9090';
    expect(() => readConfig({ PROMETHEUS_URL: url })).toThrow(expected);
    expect(() => readConfig({ PROMETHEUS_URL: url })).not.toThrow('canary');
  }
});

test('links to the public URL and queries the internal one', () => {
  const { peers, links } = readConfig({
    PROMETHEUS_URL: 'http://prometheus:9090',
    PROMETHEUS_PUBLIC_URL: 'http://127.0.0.1:9090',
  });
  expect(peers.prometheus).toBe('http://prometheus:9090');
  expect(links.prometheus).toBe('http://127.0.0.1:9090');
});
