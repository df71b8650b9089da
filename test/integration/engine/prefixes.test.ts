/** Prompts that share a prefix, through the host and a real engine process. */
import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { Engine, Fact, PrefixReport, SharePrefix } from '../../../src/engine/engine.ts';
import type { HostOptions } from '../../../src/engine/host/host.ts';
import { demoFile } from '../../support/engine/llama-model.ts';
import { coderFile, hasCoder } from '../../support/engine/coder-model.ts';
import { ask, generate, nextPid, startHost, writeEndlessModel } from '../../support/engine/host.ts';
import { until } from '../../support/until.ts';

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

/** In the answers of one prompt, logprobs closer than this are a tie: the other rows of a batch decide which token wins. */
const tie = 0.1;

const places = 'France Japan Egypt Brazil India Kenya Norway Spain Chile Peru'.split(' ');
const questions = places.flatMap((place) => [
  `What is the capital of ${place}?`,
  `Name a river in ${place}.`,
]);

interface GreedyAnswer {
  cached: number;
  tokens: readonly (Fact & { type: 'token' })[];
}

async function answerGreedily(engine: Engine, question: string, client: string) {
  const content = 'You are a librarian. Answer in one sentence and name a book. '.repeat(2);
  const messages = [
    { role: 'system' as const, content },
    { role: 'user' as const, content: question },
  ];
  const sampling = { ...ask('', 4).sampling, topLogprobs: 2 };
  const generation = generate(engine, { prompt: { kind: 'chat', messages }, sampling }, client);
  await generation.done;
  expect(generation.error).toBeUndefined();
  const tokens = generation.facts.filter((fact) => fact.type === 'token');
  const prefilled = generation.facts.find((fact) => fact.type === 'prefilled');
  return { tokens, cached: prefilled!.cachedTokens } satisfies GreedyAnswer;
}

/** The first token that differs, unless its two candidates are a tie; equal answers have none. */
function differenceOf(one: GreedyAnswer, other: GreedyAnswer): string | undefined {
  const at = one.tokens.findIndex(({ text }, index) => text !== other.tokens[index]?.text);
  if (at === -1) return undefined;
  const [first, second] = one.tokens[at]!.logprob!.top;
  const isTie = first!.logprob - second!.logprob < tie;
  return isTie ? undefined : `${at}: ${one.tokens[at]!.text}, ${other.tokens[at]?.text}`;
}

test.skipIf(!hasCoder)(
  `at temperature 0 a real model answers 20 prompts the same after a copy, alone and beside seven others${hasCoder ? '' : ' (skipped: no Qwen2.5-Coder in models/)'}`,
  async () => {
    const engine = await start({
      modelPath: coderFile,
      sequences: 8,
      threads: 'auto',
      sharePrefix: 'key',
    });
    const fresh: GreedyAnswer[] = [];
    const alone: GreedyAnswer[] = [];
    const beside: GreedyAnswer[] = [];
    for (const client of ['alone', 'beside']) await answerGreedily(engine, 'Hello', client);
    for (const [at, question] of questions.entries()) {
      fresh.push(await answerGreedily(engine, question, `client ${at}`));
      alone.push(await answerGreedily(engine, question, 'alone'));
    }
    for (let from = 0; from < questions.length; from += 8) {
      const eight = questions.slice(from, from + 8);
      beside.push(
        ...(await Promise.all(eight.map((question) => answerGreedily(engine, question, 'beside')))),
      );
    }
    expect(Math.max(...fresh.map(({ cached }) => cached))).toBe(0);
    expect(Math.min(...[...alone, ...beside].map(({ cached }) => cached))).toBeGreaterThan(30);
    expect(fresh.map((answer, at) => differenceOf(answer, alone[at]!) ?? '')).toEqual(
      questions.map(() => ''),
    );
    expect(fresh.map((answer, at) => differenceOf(answer, beside[at]!) ?? '')).toEqual(
      questions.map(() => ''),
    );
    const same = fresh.filter(({ tokens }, at) =>
      tokens.every(({ text }, index) => text === beside[at]!.tokens[index]?.text),
    );
    expect(same.length).toBeGreaterThan(questions.length / 2);
  },
  400_000,
);

test('engines that die and requests that are cancelled while a prefix is shared leave nothing behind', async () => {
  const files = readdirSync('/dev/shm');
  const engine = await start({ modelPath: writeEndlessModel() });
  /** Long enough to be generating when it is stopped. */
  const long = (subject: string) => ask(`${system}${subject}`, 1000);
  const together = [long('a'), about('b'), about('c'), about('d')].map((request) =>
    generate(engine, request),
  );
  await until(() => together.some((each) => each.has('started')));
  together[0]!.abort(new Error('left'));
  await Promise.all(together.map(({ done }) => done));
  expect(together.map(({ error }) => error)).toEqual([
    expect.objectContaining({ message: 'left' }),
    undefined,
    undefined,
    undefined,
  ]);
  const { pid } = engine.status();
  const running = ['e', 'f', 'g', 'h'].map((subject) => generate(engine, long(subject)));
  await until(() => running.some((each) => each.has('started')));
  process.kill(pid!, 'SIGKILL');
  await nextPid(engine, pid);
  expect(readdirSync('/dev/shm')).toEqual(files);
  expect((await prefill(engine, 'whales')).cachedTokens).toBe(0);
});
