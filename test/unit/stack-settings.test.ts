/** What `make up` makes of the environment. */
import { expect, test } from 'vitest';
import { languageOf } from '../../stack/messages.ts';
import { readSettings } from '../../stack/settings.ts';

test('listens on loopback and the ports of the documentation when nothing is set', () => {
  const { addresses, scrapeInterval, mode } = readSettings({});
  const urls = Object.values(addresses).map(({ url }) => url);
  expect(urls.toSorted()).toEqual([
    'http://127.0.0.1:8000',
    'http://127.0.0.1:8060',
    'http://127.0.0.1:9090',
    'http://127.0.0.1:9093',
  ]);
  expect({ scrapeInterval, mode }).toEqual({ scrapeInterval: '15s', mode: 'native' });
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
        'SCRAPE_INTERVAL: expected a duration such as 15s or 1m, got "15"',
        'CHAT_PORT: expected a port from 1 to 65535, got "eight"',
        'NOTIFIER_PORT: expected a port from 1 to 65535, got "65536"',
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
