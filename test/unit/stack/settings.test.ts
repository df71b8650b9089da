/** What `make up` makes of the environment. */
import { expect, test } from 'vitest';
import { languageOf } from '../../../src/kit/language.ts';
import { readSettings } from '../../../stack/settings.ts';

test('listens on loopback and the ports of the documentation when nothing is set', () => {
  const { addresses, instances, scrapeInterval, mode, profile } = readSettings({});
  const urls = Object.fromEntries(
    Object.entries(addresses).map(([name, address]) => [name, address.url]),
  );
  expect(urls).toEqual({
    chat: 'http://127.0.0.1:8000',
    notifier: 'http://127.0.0.1:8060',
    prometheus: 'http://127.0.0.1:9090',
    alertmanager: 'http://127.0.0.1:9093',
    grafana: 'http://127.0.0.1:3000',
    jaeger: 'http://127.0.0.1:16686',
  });
  expect(instances.map(({ name }) => name)).toEqual([
    'notifier',
    'alertmanager',
    'prometheus',
    'chat',
  ]);
  expect({ scrapeInterval, mode, profile }).toEqual({
    scrapeInterval: '15s',
    mode: undefined,
    profile: 'full',
  });
});

test.each([
  [{ MODE: 'native' }, 4],
  [{ MODE: 'docker' }, 6],
  [{ MODE: 'docker', PROFILE: 'minimal' }, 4],
  [{ MODE: 'docker', REPLICAS: '3' }, 8],
])('knows what runs: %o are %i', (env, count) => {
  expect(readSettings(env).instances).toHaveLength(count);
});

test('keeps what the two modes write apart', () => {
  expect(readSettings({ MODE: 'native' }).runDir).toMatch(/stack\/run\/native$/);
  expect(readSettings({ MODE: 'docker' }).runDir).toMatch(/stack\/run\/docker$/);
});

test('gives each replica a name and the next port', () => {
  const { instances } = readSettings({ REPLICAS: '3', CHAT_PORT: '7000' });
  const chats = instances.filter(({ service }) => service === 'chat');
  expect(chats.map(({ name, address }) => `${name} ${address.url}`)).toEqual([
    'chat http://127.0.0.1:7000',
    'chat-2 http://127.0.0.1:7001',
    'chat-3 http://127.0.0.1:7002',
  ]);
});

test.each([
  [{ CHAT_PORT: '8059', REPLICAS: '3' }, 'chat-2 and notifier both have 8060'],
  [{ CHAT_PORT: '65535', REPLICAS: '2' }, 'expected a port from 1 to 65535, got 65536 for chat-2'],
  [{ REPLICAS: '0' }, 'REPLICAS: expected an integer from 1 to 20, got "0"'],
])('refuses ports that cannot be: %o', (env, problem) => {
  expect(() => readSettings(env)).toThrow(problem);
});

test('reaches on loopback what listens everywhere', () => {
  const { chat } = readSettings({ CHAT_HOST: '0.0.0.0', CHAT_PORT: '80' }).addresses;
  expect(chat).toMatchObject({ host: '0.0.0.0', url: 'http://127.0.0.1:80' });
});

test('takes an empty variable for an unset one', () => {
  expect(readSettings({ SCRAPE_INTERVAL: '', MODE: '' }).scrapeInterval).toBe('15s');
});

test('tells every wrong setting at once, what was expected and what came', () => {
  const wrong = { SCRAPE_INTERVAL: '15', CHAT_PORT: 'eight', NOTIFIER_PORT: '65536', MODE: 'test' };
  expect(() => readSettings(wrong)).toThrow(
    new RegExp(
      [
        'MODE: expected native or docker, got "test"',
        'CHAT_PORT: expected an integer from 1 to 65535, got "eight"',
        'NOTIFIER_PORT: expected an integer from 1 to 65535, got "65536"',
        'SCRAPE_INTERVAL: expected a duration such as 15s or 1m, got "15"',
      ].join('\\s+'),
    ),
  );
});

test.each([
  [{ LANG: 'zh_CN.UTF-8' }, 'zh'],
  [{ LANG: 'C.UTF-8' }, 'en'],
  [{ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'en'],
  [{ LANG: 'de_DE.UTF-8', LC_MESSAGES: 'zh_TW' }, 'zh'],
  [{}, 'en'],
] as const)('speaks by the locale: %o → %s', (env, language) => {
  expect(languageOf(env)).toBe(language);
});
