/** Problems of settings as a Chinese terminal shows them: none is left in English. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readConfig as readNotifierConfig } from '../../../alerting/notifier/config.ts';
import { readConfig } from '../../../src/config.ts';
import { problemInChinese } from '../../../src/kit/problem-in-chinese.ts';
import { readSettings } from '../../../stack/settings.ts';

const sources = ['src/config.ts', 'stack/settings.ts', 'alerting/notifier/config.ts'];
const names = sources.flatMap(
  (file) => readFileSync(file, 'utf8').match(/(?<=')[A-Z]+_[A-Z_]+/g) ?? [],
);
const wrong = Object.fromEntries(names.map((name) => [name, '?']));
const english = /expected|got|required|with|which/;

function problemsOf(read: (env: NodeJS.ProcessEnv) => unknown, env: NodeJS.ProcessEnv): string[] {
  try {
    read(env);
  } catch (error) {
    return (error as Error).message.split('\n  ').slice(1);
  }
  return [];
}

test('every setting with a wrong value has a Chinese sentence', () => {
  const problems = [
    ...problemsOf(readConfig, wrong),
    ...problemsOf(readNotifierConfig, wrong),
    ...problemsOf(readSettings, { ...wrong, LLAMASCOPE_LANG: 'de' }),
    ...problemsOf(readSettings, { PROMETHEUS_PORT: '8000' }),
    ...problemsOf(readSettings, { CHAT_PORT: '65535', REPLICAS: '2' }),
    ...problemsOf(readSettings, { MODE: 'docker', BACKEND_URL: 'http://[::1]:1', NGINX_PORT: '1' }),
    ...problemsOf(readConfig, { CHAT_HOST: '0.0.0.0', METRICS_TOKEN_FILE: '/nowhere' }),
    ...problemsOf(readConfig, { METRICS_TOKEN: 'a', METRICS_TOKEN_FILE: '/nowhere' }),
    ...problemsOf(readNotifierConfig, { DINGTALK_SECRET: 'a' }),
  ];
  expect(problems.length).toBeGreaterThan(30);
  expect(problems.map(problemInChinese).filter((text) => english.test(text))).toEqual([]);
});

test.each([
  [
    'CHAT_THREADS: expected "auto" or an integer from 1 to 256, got "0"',
    'CHAT_THREADS：需要 auto 或 1 到 256 之间的整数，实际为 "0"',
  ],
  [
    'CHAT_MODEL: expected a GGUF file at /x.gguf, found none. Correct the path, or use one of a, b.',
    'CHAT_MODEL：没有找到 GGUF 文件 /x.gguf。请更正路径，或使用以下之一：a, b',
  ],
  [
    'CHAT_MODEL: expected one of a, b or the path of a .gguf file, got "c".',
    'CHAT_MODEL：需要以下之一，或 GGUF 文件的路径：a, b，实际为 "c"',
  ],
])('%s', (problem, chinese) => {
  expect(problemInChinese(problem)).toBe(chinese);
});
