/** The host with a scripted engine process: the commands that the host sends, and requests that are kept across a restart. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Command, EngineFacts, EngineStatus, Fact } from '../../../src/engine/engine.ts';
import type { EngineProcessOptions } from '../../../src/engine/host/engine-process.ts';
import { createHost } from '../../../src/engine/host/host.ts';
import { ChatError } from '../../../src/errors.ts';
import { ask } from '../../support/engine/host.ts';

const facts: EngineFacts = {
  model: { architecture: 'scripted', quantization: '-', parameters: 0, trainContextTokens: 99 },
  loadSeconds: 0,
  threads: 1,
  sequences: 1,
  contextTokens: 99,
  sizing: '',
};
const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function start() {
  const sent: Command[] = [];
  let process!: EngineProcessOptions;
  let status: EngineStatus = { state: 'ready', pid: 1, facts, restarts: 0 };
  const log = { info() {}, error() {} };
  const sizes = {
    threads: 1,
    sequences: 1,
    contextTokens: 99,
    embeddings: false,
    sharePrefix: 'all',
    cacheMegabytes: 'auto',
  } as const;
  const limits = { queueLimit: 8, queueTimeoutSeconds: 30 };
  const host = createHost({ modelPath: '', ...sizes, ...limits, log }, (options) => {
    process = options;
    return {
      status: () => status,
      facts: () => facts,
      send: (command) => void sent.push(command),
      resetBackoff() {},
      async stop() {},
    };
  });
  process.onReport({ type: 'ready', facts });
  return {
    host,
    /** Commands since the last call, as `type id`. */
    commands: () => sent.splice(0).map(({ type, id }) => `${type} ${id}`),
    sent,
    async report(...reported: (Fact & { id: number })[]) {
      process.onReport({ type: 'facts', facts: reported, contextTokens: 0 });
      await turn();
    },
    async fail() {
      status = { state: 'failed', pid: undefined, lastExit: '', reason: 'no', restarts: 3 };
      process.onExit(new ChatError('not_ready', 'The model cannot be loaded: no.'));
      await turn();
    },
    async restart() {
      process.onExit(new ChatError('engine_exit', 'The engine process ended.'));
      await turn();
      sent.length = 0;
      process.onReport({ type: 'ready', facts });
      await turn();
    },
  };
}

function generate(host: ReturnType<typeof start>['host'], text: string, signal = never) {
  const run = { facts: [] as Fact['type'][], error: undefined as unknown };
  const onFact = ({ type }: Fact): void => void run.facts.push(type);
  const done = host
    .generate(ask(text), { signal, client: 'one', onFact })
    .catch((error: unknown) => void (run.error = error));
  return Object.assign(run, { done });
}

const tokenized = (id: number) =>
  ({ id, type: 'tokenized', startedAt: 1, endedAt: 2, inputTokens: 3 }) as const;
const ended = (id: number) =>
  ({ id, type: 'ended', at: 3, finishReason: 'stop', text: '' }) as const;

test('the text of a request is sent to the engine once', async () => {
  const engine = start();
  const run = generate(engine.host, 'a long story');
  await engine.report(tokenized(1));
  await engine.report(ended(1));
  await run.done;
  expect(run.facts).toEqual(['tokenized', 'queued', 'ended']);
  const texts = engine.sent.filter((command) => JSON.stringify(command).includes('a long story'));
  expect(texts).toHaveLength(1);
  expect(engine.commands()).toEqual(['prepare 1', 'start 1']);
});

test('requests that wait are prepared again after a restart, in order, and tell their facts once', async () => {
  const engine = start();
  const runs = ['one', 'two', 'three', 'four'].map((text) => generate(engine.host, text));
  await engine.report(tokenized(1), tokenized(2), tokenized(3));
  expect(engine.commands()).toEqual([
    'prepare 1',
    'prepare 2',
    'prepare 3',
    'prepare 4',
    'start 1',
  ]);
  expect(engine.host.waiting()).toBe(3);
  await engine.restart();
  // Request 1 ran and request 4 was still being tokenized.
  expect(runs.map(({ error }) => (error as ChatError | undefined)?.code)).toEqual([
    'engine_exit',
    undefined,
    undefined,
    'engine_exit',
  ]);
  expect(engine.commands()).toEqual(['prepare 2', 'prepare 3', 'start 2']);
  await engine.report(tokenized(2), tokenized(3), ended(2));
  expect(engine.commands()).toEqual(['start 3']);
  await engine.report(ended(3));
  await Promise.all(runs.map(({ done }) => done));
  expect(runs[1]!.facts).toEqual(['tokenized', 'queued', 'ended']);
  expect(runs[2]!.facts).toEqual(['tokenized', 'queued', 'ended']);
  expect(engine.host.pending()).toBe(0);
});

test('requests that wait are told their place, and how long once an answer is measured', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const engine = start();
  const told: Fact[] = [];
  const onFact = (fact: Fact): void => void (fact.type === 'waiting' && told.push(fact));
  const request = {
    prompt: ask('text').prompt,
    sampling: { ...ask('text').sampling, maxTokens: 9 },
  };
  for (const client of ['one', 'two', 'one']) {
    void engine.host.generate(request, { signal: never, client, onFact }).catch(() => {});
  }
  await engine.report(tokenized(1), tokenized(2), tokenized(3));
  vi.advanceTimersByTime(1000);
  expect(told).toEqual([
    { type: 'waiting', position: 1 },
    { type: 'waiting', position: 2 },
  ]);
  const at = performance.now();
  const token = { id: 1, type: 'token', text: '' } as const;
  await engine.report(
    { id: 1, type: 'started', at },
    {
      id: 1,
      type: 'prefilled',
      startedAt: at,
      endedAt: at,
      inputTokens: 3,
      cachedTokens: 0,
      copiedTokens: 0,
    },
    ...[1, 2, 3].map((second) => Object.assign({}, token, { at: at + 1000 * second })),
  );
  vi.advanceTimersByTime(1000);
  const [first, second] = told.slice(2);
  // Six of nine tokens are left, at one second each; answers are expected to end after about 100 tokens.
  expect(first).toMatchObject({ position: 1, seconds: expect.closeTo(6, 0) });
  expect(second).toMatchObject({ position: 2, seconds: expect.closeTo(15, 0) });
});

test('requests that wait end with the cause when the model cannot be loaded', async () => {
  const engine = start();
  const runs = ['one', 'two'].map((text) => generate(engine.host, text));
  await engine.report(tokenized(1), tokenized(2));
  await engine.fail();
  await Promise.all(runs.map(({ done }) => done));
  for (const { error } of runs) expect(error).toMatchObject({ code: 'not_ready' });
  expect(engine.host.pending()).toBe(0);
});

test('a request that is cancelled in any phase is cancelled in the engine, and never started later', async () => {
  const engine = start();
  const leavers = [1, 2, 3].map(() => new AbortController());
  const runs = leavers.map(({ signal }) => generate(engine.host, 'text', signal));
  await engine.report(tokenized(1), tokenized(2));
  engine.commands();
  // Preparing, waiting, running.
  for (const leaver of leavers.toReversed()) leaver.abort(new Error('gone'));
  await Promise.all(runs.map(({ done }) => done));
  expect(runs.map(({ error }) => (error as Error).message)).toEqual(['gone', 'gone', 'gone']);
  expect(engine.commands()).toEqual(['cancel 3', 'cancel 2', 'cancel 1']);
});

test('an error thrown by `onFact` ends the generation with that error and frees its slot', async () => {
  const engine = start();
  const onFact = (): never => {
    throw new Error('no room');
  };
  const broken = engine.host.generate(ask('one'), { signal: never, client: 'one', onFact });
  const failed = expect(broken).rejects.toThrow('no room');
  await engine.report(tokenized(1));
  await failed;
  const next = generate(engine.host, 'two');
  await engine.report(tokenized(2), ended(2));
  await next.done;
  expect(next.error).toBeUndefined();
});
