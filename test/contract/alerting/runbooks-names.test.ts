/** Every field, metric, label, setting, command and file that a runbook names is real, and a misspelt one is found. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { attributes, endings, spanAttributes, streamEndings } from '../../../otel/names.ts';
import { runbooks } from '../../support/alerting/rules.ts';
import { createApiApp } from '../../support/api/app.ts';
import { knownSeries, readRuleFiles } from '../../support/otel/prometheus-series.ts';

/** Programs of an operating system. */
const programs = 'amtool curl df dmesg free iostat kill node promtool ss top'.split(' ');
/** Names of other programs and protocols. */
const others = new Set([
  'Retry-After',
  'proxy_buffering off',
  'text/event-stream',
  'stream: false',
  'chrome://inspect',
  '/targets',
]);

const series = knownSeries([...readRuleFiles().values()].flat());
const labels = new Set(
  [...Object.values(attributes), ...Object.values(spanAttributes)].flatMap((name) => [
    name,
    name.replaceAll('.', '_'),
  ]),
);
const values = new Set<string>([...Object.values(endings).flat(), ...streamEndings]);
const makefile = readFileSync('Makefile', 'utf8');
const targets = new Set([...makefile.matchAll(/^([a-z][a-z-]*):/gm)].map(([, target]) => target));
const sources = globSync('{src,otel,stack,alerting}/**/*.{ts,yml,yaml,toml}')
  .filter((file) => !file.includes('/dist/'))
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

function namesIn(text: string): string[] {
  const prose = text.replaceAll(/```.*?```/gs, '');
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, name]) => name!.replaceAll('\\|', '|'));
}

/** Whether the text is a name in the sources: whole, not a part of another name. */
function isInSources(name: string): boolean {
  const escaped = name.replaceAll(/[^\w ]/g, String.raw`\$&`);
  return new RegExp(`(?<![\\w.])${escaped}(?!\\w)`).test(sources);
}

function isReal(name: string): boolean {
  const [first = '', ...rest] = name.split(' ');
  const [setting = ''] = name.split('=');
  if (others.has(name)) return true;
  if (first === 'make') return name.split(' && ').every(isMakeCommand);
  if (programs.includes(first)) return rest.filter((part) => /^[\w.]+\//.test(part)).every(isFile);
  if (/^[A-Z][A-Z0-9_]+$/.test(setting)) return isInSources(setting);
  if (/^\w+=/.test(name)) return isInSources(setting);
  if (/^[\w-]+\//.test(name)) return isFile(name);
  return (
    series.has(name.replace(/\{.*$/, '')) ||
    labels.has(name) ||
    values.has(name) ||
    isInSources(name)
  );
}

function isMakeCommand(command: string): boolean {
  const words = command.split(' ').filter((word) => !/^[A-Z_]+=/.test(word));
  const settings = [...command.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name!);
  const known = (name: string): boolean => isInSources(name) || makefile.includes(name);
  return words[0] === 'make' && targets.has(words[1] ?? '') && settings.every(known);
}

/** Files below stack/run and data are written when the stack runs. */
function isFile(path: string): boolean {
  const pattern = path.split(':')[0]!;
  return /^(stack\/run|data)\b/.test(path) || existsSync(pattern) || globSync(pattern).length > 0;
}

test('every name in a runbook is real', () => {
  const unknown = runbooks.flatMap(({ name, page }) =>
    namesIn(page)
      .filter((each) => !isReal(each))
      .map((each) => `${name}: ${each}`),
  );
  expect(unknown).toEqual([]);
});

test.each([
  'inference_redy',
  'network.peer.adress',
  'make lgos NAME=chat',
  'make logs NAMES=chat',
  'CHAT_SEQUENCE',
  'queue_ful',
  'the engine process stopped',
  'promtool test rules alerting/rule/*.test.yaml',
  'streamEnd',
])('a misspelt name is found: %s', (name) => {
  expect(isReal(name)).toBe(false);
});

test('the lines `generation` have every field by which runbooks find a client, its stream and its sampling', async () => {
  const api = createApiApp();
  const messages = [{ role: 'user', content: 'hello' }];
  const body = JSON.stringify({ messages, stream: true, temperature: 1.5 });
  const from = { incoming: { socket: { remoteAddress: '10.0.0.7' } } };
  const path = '/v1/chat/completions';
  const answer = await api.request(path, { method: 'POST', body }, from);
  await answer.text();
  const line = api.log.find(({ message }) => message === 'generation');
  const pages = runbooks.map(({ page }) => page).join('\n');
  const named = [...pages.matchAll(/`(client|streamEnding|temperature|trace_id)`/g)];
  expect(named.length).toBeGreaterThan(6);
  expect(Object.keys(line?.facts ?? {})).toEqual(
    expect.arrayContaining([...new Set(named.map(([, field]) => field))]),
  );
  expect(line?.facts).toMatchObject({
    client: '10.0.0.7',
    streamEnding: 'done',
    temperature: 1.5,
    queuePosition: 1,
  });
});
