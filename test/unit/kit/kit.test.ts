import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { matchBearer } from '../../../src/kit/bearer.ts';
import { formatDuration } from '../../../src/kit/duration.ts';
import { explainFetchFailure } from '../../../src/kit/fetch-failure.ts';
import { withFileLock } from '../../../src/kit/file-lock.ts';
import { languageOf } from '../../../src/kit/language.ts';
import { isLoopback, readGateway } from '../../../src/kit/loopback.ts';
import { cutColumns, formatTable } from '../../../src/kit/table.ts';

test.for([
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::ffff:127.0.0.1', true],
  ['::1', true],
  ['[::1]', true],
  ['localhost', true],
  ['LOCALHOST', true],
  ['0.0.0.0', false],
  ['127.evil.example', false],
  ['localhost.example', false],
  ['10.0.0.1', false],
  ['', false],
] as const)('isLoopback(%s) is %s', ([host, expected]) => {
  expect(isLoopback(host)).toBe(expected);
});

test('readGateway finds the default gateway', () => {
  const routes = [
    'Iface\tDestination\tGateway \tFlags',
    'eth0\t000012AC\t00000000\t0001',
    'eth0\t00000000\t010012AC\t0003',
  ];
  expect(readGateway(routes.join('\n'))).toBe('172.18.0.1');
  expect(readGateway(routes.slice(0, 2).join('\n'))).toBeUndefined();
});

test('a bearer key is matched, whichever of the keys it is', () => {
  const { id } = matchBearer('bearer two', ['one', 'two']) as { id: string };
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(matchBearer('Bearer one', ['one', 'two'])).not.toEqual({ id });
  expect(matchBearer('Bearer three', ['one', 'two'])).toEqual({ got: 'another' });
  expect(matchBearer('Bearer one', [])).toEqual({ got: 'another' });
  expect(matchBearer('Basic one', ['one'])).toEqual({ got: 'none' });
  expect(matchBearer(undefined, ['one'])).toEqual({ got: 'none' });
});

test.for([
  [0, '0s'],
  [-3, '0s'],
  [59.6, '1m'],
  [492, '8m 12s'],
  [7200, '2h'],
  [97_200, '1d 3h'],
] as const)('%d seconds are %s', ([seconds, expected]) => {
  expect(formatDuration(seconds)).toBe(expected);
});

test('a failed fetch is explained by its code, and an aborted one by its reason', async () => {
  // Port 1 is one that fetch refuses to use, so nothing has to listen anywhere.
  const blocked = await fetch('http://127.0.0.1:1/secret').catch(explainFetchFailure);
  expect(blocked).toBe('Error');
  const refused = Object.assign(new Error('connect to http://secret'), { code: 'ECONNREFUSED' });
  expect(explainFetchFailure(new TypeError('fetch failed', { cause: refused }))).toBe(
    'ECONNREFUSED',
  );
  expect(explainFetchFailure(new DOMException('late', 'TimeoutError'))).toBe('TimeoutError');
  const signal = AbortSignal.abort(new Error('no data within 5 s'));
  expect(await fetch('http://127.0.0.1:9/', { signal }).catch(explainFetchFailure)).toBe(
    'no data within 5 s',
  );
});

test('a lock is held by one process at a time, and onWait is called once', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'lock-')), 'folder', 'lock');
  const order: string[] = [];
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  const first = withFileLock({ file, onWait: () => order.push('first waits') }, async () => {
    order.push('first');
    await mayEnd;
    order.push('first ends');
  });
  const onWait = (): void => {
    order.push('second waits');
    end();
  };
  await withFileLock({ file, onWait, pollMillis: 1 }, async () => void order.push('second'));
  await first;
  expect(order).toEqual(['first', 'second waits', 'first ends', 'second']);
});

test('waiting for a lock ends with its signal', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'lock-')), 'lock');
  await withFileLock({ file, onWait: () => expect.unreachable() }, async () => {
    const controller = new AbortController();
    const waiting = withFileLock(
      { file, onWait: () => controller.abort(), signal: controller.signal },
      async () => 'never',
    );
    await expect(waiting).rejects.toThrow('aborted');
  });
});

test.for([
  [{ LANG: 'zh_CN.UTF-8' }, 'zh'],
  [{ LANG: 'C.UTF-8' }, 'en'],
  [{ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'en'],
  [{ LANG: 'de_DE.UTF-8', LC_MESSAGES: 'zh_TW' }, 'zh'],
  [{ LANG: 'zh_CN.UTF-8', LLAMASCOPE_LANG: 'en' }, 'en'],
  [{ LC_ALL: 'C', LLAMASCOPE_LANG: 'zh' }, 'zh'],
  [{}, 'en'],
] as const)('the language follows the locale: %o → %s', ([env, language]) => {
  expect(languageOf(env)).toBe(language);
});

test('columns are padded and cut by display width: Chinese characters and emoji take two', () => {
  const table = formatTable([
    ['状态', 'pid'],
    ['✅', '1'],
    ['healthy', '22'],
  ]);
  expect(table).toBe('  状态     pid\n  ✅       1\n  healthy  22');
  expect(cutColumns('等待全部就绪', 12)).toBe('等待全部就绪');
  expect(cutColumns('等待全部就绪', 11)).toBe('等待全部就…');
  expect(cutColumns('等待全部就绪', 10)).toBe('等待全部…');
});
