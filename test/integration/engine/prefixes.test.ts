/** Prompts that share a prefix, through the host and a real engine process. */
import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { Engine, Fact, PrefixReport, SharePrefix } from '../../../src/engine/engine.ts';
import type { HostOptions } from '../../../src/engine/host/host.ts';
import { demoFile } from '../../support/engine/llama-model.ts';
import { coderFile, hasCoder } from '../../support/engine/coder-model.ts';
import { ask, generate, nextPid, startHost } from '../../support/engine/host.ts';

let host: Engine | undefined;
const reports: PrefixReport[] = [];
afterEach(async () => {
  reports.length = 0;
  await host?.stop();
});

async function start(options: Partial<HostOptions> = {}): Promise<Engine> {
  const onPrefixes = (report: PrefixReport): void => void reports.push(report);
  host = await startHost({ modelPath: demoFile, sequences: 4, onPrefixes, ...options });
  return host;
}

const system = 'a librarian answers every question in one sentence and names a book '.repeat(20);
const about = (subject: string) => ask(`${system}${subject}`, 4);

async function prefill(engine: Engine, subject: string, client = 'one') {
  const generation = generate(engine, about(subject), client);
  await generation.done;
  expect(generation.error).toBeUndefined();
  return generation.facts.find(
    (fact): fact is Fact & { type: 'prefilled' } => fact.type === 'prefilled',
  )!;
}

test('a second conversation copies the prefix of the first, and nothing is left in /dev/shm', async () => {
  const files = readdirSync('/dev/shm');
  const engine = await start();
  const first = await prefill(engine, 'whales');
  const second = await prefill(engine, 'tides');
  expect(first).toMatchObject({ cachedTokens: 0, copiedTokens: 0 });
  expect(second.copiedTokens).toBeGreaterThan(second.inputTokens * 0.9);
  expect(reports.flatMap(({ copies }) => copies)).toMatchObject([{ source: 'sequence' }]);
  expect(readdirSync('/dev/shm')).toEqual(files);
});

test.each<[SharePrefix, string, string, boolean]>([
  ['key', 'ann', 'ann', true],
  ['key', 'ann', 'bob', false],
  ['all', 'ann', 'bob', true],
  ['none', 'ann', 'ann', false],
])('with CHAT_SHARE_PREFIX=%s, of %s and %s: %s', async (sharePrefix, one, other, isShared) => {
  const engine = await start({ sharePrefix });
  await prefill(engine, 'whales', one);
  const second = await prefill(engine, 'tides', other);
  expect(second.cachedTokens > 0).toBe(isShared);
  // Now every sequence is used, and a prompt takes over one of them.
  for (const subject of ['a', 'b', 'c', 'd', 'e']) await prefill(engine, subject, 'eve');
  const last = await prefill(engine, 'tides', `${other}!`);
  expect(last.cachedTokens > 0).toBe(sharePrefix === 'all');
});

test('an engine that starts again has no prefixes, and copies new ones', async () => {
  const engine = await start();
  await prefill(engine, 'whales');
  const { pid } = engine.status();
  process.kill(pid!, 'SIGKILL');
  await nextPid(engine, pid);
  expect(reports.at(-1)).toMatchObject({ cacheBytes: 0 });
  expect(await prefill(engine, 'tides')).toMatchObject({ cachedTokens: 0 });
  expect((await prefill(engine, 'winds')).copiedTokens).toBeGreaterThan(0);
});

test('conversations without a sequence come back from memory, and the last ones leave when it is full', async () => {
  const engine = await start({ sequences: 1, cacheMegabytes: 1 });
  const long = (subject: string) => `${`${subject} `.repeat(300)}end`;
  const begin = async (subject: string) => {
    const generation = generate(engine, ask(long(subject), 4));
    await generation.done;
    return generation.facts.find(
      (fact): fact is Fact & { type: 'prefilled' } => fact.type === 'prefilled',
    )!;
  };
  for (const subject of ['whale', 'tide', 'wind']) await begin(subject);
  expect((await begin('tide')).copiedTokens).toBeGreaterThan(100);
  for (let at = 0; at < 12; at++) await begin(`word${at}`);
  expect(reports.reduce((sum, { evictions }) => sum + evictions, 0)).toBeGreaterThan(0);
  expect(Math.max(...reports.map(({ cacheBytes }) => cacheBytes))).toBeLessThanOrEqual(1e6);
});

const questions = [
  'What is the capital of France?',
  'Who wrote Hamlet?',
  'Why is the sky blue?',
  'How do birds fly?',
  'When do leaves fall?',
  'What is rain?',
];

test.skipIf(!hasCoder)(
  `a real model answers the same after a copy as after a whole prefill${hasCoder ? '' : ' (skipped: no Qwen2.5-Coder in models/)'}`,
  async () => {
    const engine = await start({ modelPath: coderFile, sequences: 8, sharePrefix: 'key' });
    const content = 'You are a librarian. Answer in one sentence and name a book. '.repeat(4);
    const answer = async (question: string, client: string) => {
      const { sampling } = ask('', 12);
      const messages = [
        { role: 'system' as const, content },
        { role: 'user' as const, content: question },
      ];
      const generation = generate(engine, { prompt: { kind: 'chat', messages }, sampling }, client);
      await generation.done;
      const text = generation.facts.map((fact) => ('text' in fact ? fact.text : '')).join('');
      const prefilled = generation.facts.find((fact) => fact.type === 'prefilled');
      return { text, cached: prefilled?.type === 'prefilled' ? prefilled.cachedTokens : 0 };
    };
    await answer('Hello', 'shared');
    for (const [at, question] of questions.entries()) {
      const copied = await answer(question, 'shared');
      const fresh = await answer(question, `client ${at}`);
      expect(copied.cached).toBeGreaterThan(40);
      expect(fresh.cached).toBe(0);
      expect(copied.text).toBe(fresh.text);
    }
    const copies = reports.flatMap((report) => report.copies.map(({ source }) => source));
    expect(copies.filter((source) => source === 'sequence').length).toBeGreaterThan(2);
  },
  240_000,
);
