/** The settings of `make up`. */
import { expect, test } from 'vitest';
import { readSettings } from '../../../stack/settings.ts';

test('by default everything listens on loopback and the documented ports', () => {
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
  [{ MODE: 'native', REPLICAS: '3', NGINX_PORT: '8080' }, 7],
])('%o: %i instances', (env, count) => {
  expect(readSettings(env).instances).toHaveLength(count);
});

test('each mode has its own run folder', () => {
  expect(readSettings({ MODE: 'native' }).runDir).toMatch(/stack\/run\/native$/);
  expect(readSettings({ MODE: 'docker' }).runDir).toMatch(/stack\/run\/docker$/);
});

test('each replica gets a name and the next port', () => {
  const { instances } = readSettings({ REPLICAS: '3', CHAT_PORT: '7000' });
  const chats = instances.filter(({ service }) => service === 'chat');
  expect(chats.map(({ name, address }) => `${name} ${address.url}`)).toEqual([
    'chat http://127.0.0.1:7000',
    'chat-2 http://127.0.0.1:7001',
    'chat-3 http://127.0.0.1:7002',
  ]);
});

test.each([
  [
    { CHAT_PORT: '8059', REPLICAS: '3' },
    'expected different ports, chat-2 and notifier both have 8060',
  ],
  [{ NGINX_PORT: '8060' }, 'expected different ports, nginx and notifier both have 8060'],
  [{ NGINX_PORT: '8080', MODE: 'docker' }, 'NGINX_PORT: expected MODE=native, got docker'],
  [{ CHAT_PORT: '65535', REPLICAS: '2' }, 'expected a port from 1 to 65535, got 65536 for chat-2'],
  [{ REPLICAS: '0' }, 'REPLICAS: expected an integer from 1 to 20, got "0"'],
])('rejects invalid ports and replicas: %o', (env, problem) => {
  expect(() => readSettings(env)).toThrow(problem);
});

test('a service that listens on every address is reached on loopback', () => {
  const { chat } = readSettings({ CHAT_HOST: '0.0.0.0', CHAT_PORT: '80' }).addresses;
  expect(chat).toMatchObject({ host: '0.0.0.0', url: 'http://127.0.0.1:80' });
});

test('an empty variable counts as unset', () => {
  expect(readSettings({ SCRAPE_INTERVAL: '', MODE: '' }).scrapeInterval).toBe('15s');
});

test('one error lists every invalid setting with the expected and the given value', () => {
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
