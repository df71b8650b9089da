/** Prompts that start from the state of another sequence or of the prefix cache, on a model of plain arrays. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { createArrayModel, type ArrayModel } from '../../support/engine/model.ts';
import { prompt, run, stopClock } from '../../support/engine/scheduler.ts';

/** Nothing costs anything then, so that 24 common tokens are worth a copy. */
let clock: ReturnType<typeof stopClock>;
beforeEach(() => void (clock = stopClock()));

const system = prompt(0, 200);
const about = (seed: number, length = 20) => [...system, ...prompt(seed, length)];
const plenty = { cacheBytes: 100_000, freeBytes: 1_000_000 };
const createModel = (sequences: number, memory = plenty) => createArrayModel({ sequences, memory });

/** How many prompt tokens each sequence evaluated; decoded tokens not included. */
function evaluated(model: ArrayModel): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const [sequence, tokens] of model.batches.flat()) {
    if (tokens > 1) counts[sequence] = (counts[sequence] ?? 0) + tokens;
  }
  return counts;
}

const prefilled = (facts: ReturnType<ReturnType<typeof run>['of']>) =>
  facts.find(({ type }) => type === 'prefilled');

test('a prompt starts from the prefix of an idle sequence, whose conversation stays', async () => {
  const model = createModel(2);
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(about(1), { maxTokens: 5 }));
  await reach(1, 'ended');
  scheduler.start(2, model.prepared(about(2), { maxTokens: 1 }));
  await reach(2, 'ended');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 200, copiedTokens: 200 });
  expect(evaluated(model)).toEqual({ 0: 220, 1: 20 });
  expect(scheduler.contextTokens()).toBe(220 + 4 + 220);
  expect(model.memory.used).toBe(0);
  expect(scheduler.takePrefixReport()).toMatchObject({
    copies: [{ source: 'sequence', bytes: 224 }],
  });
  expect(scheduler.takePrefixReport()).toBeUndefined();
});

test('a prompt starts from the prefix of a sequence that decodes, between two of its steps', async () => {
  const model = createModel(2);
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(about(1)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(about(2)));
  await reach(2, 'token');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 200, copiedTokens: 200 });
  const before = of(1).length;
  await model.step();
  expect(of(1).length).toBe(before + 1);
});

test('of four prompts that share a prefix, one evaluates it and the others wait and copy', async () => {
  const model = createModel(4);
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2, 3, 4]) scheduler.start(id, model.prepared(about(id)));
  for (const id of [1, 2, 3, 4]) await reach(id, 'token');
  expect(evaluated(model)).toEqual({ 0: 220, 1: 20, 2: 20, 3: 20 });
  // The reader stops where the prefix ends.
  expect(model.batches.slice(0, 2)).toEqual([[[0, 128]], [[0, 72]]]);
  for (const id of [2, 3, 4]) {
    expect(prefilled(of(id))).toMatchObject({ inputTokens: 220, cachedTokens: 200 });
  }
});

test('each waits for the one before it with the longest common prefix', async () => {
  const model = createModel(3);
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(about(1)));
  scheduler.start(2, model.prepared([...about(2, 100), ...prompt(5, 10)]));
  scheduler.start(3, model.prepared([...about(2, 100), ...prompt(6, 10)]));
  for (const id of [1, 2, 3]) await reach(id, 'token');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 200 });
  expect(prefilled(of(3))).toMatchObject({ cachedTokens: 300 });
});

/** Takes eight steps. */
const long = (seed: number) => [...prompt(0, 1000), ...prompt(seed, 20)];

test('when the reader of a shared prefix is cancelled, the next one goes on from there', async () => {
  const model = createModel(3);
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2, 3]) scheduler.start(id, model.prepared(long(id)));
  await reach(3, 'started');
  await model.step();
  scheduler.cancel(1);
  for (const id of [2, 3]) await reach(id, 'token');
  expect(new Set(of(1).map(({ type }) => type))).toEqual(new Set(['started', 'prefilling']));
  const before = evaluated(model)[0]!;
  expect(before).toBeLessThan(1000);
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: before, copiedTokens: before });
  expect(prefilled(of(3))).toMatchObject({ cachedTokens: 1000 });
});

test('a prompt that is cancelled while it waits for a prefix is never evaluated', async () => {
  const model = createModel(2);
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(long(id), { maxTokens: 3 }));
  await reach(2, 'started');
  scheduler.cancel(2);
  await reach(1, 'ended');
  expect(evaluated(model)).toEqual({ 0: 1020 });
  scheduler.start(3, model.prepared(long(3), { maxTokens: 1 }));
  await reach(3, 'ended');
  expect(prefilled(of(3))).toMatchObject({ cachedTokens: 1000 });
});

test('when the reader of a shared prefix fails, the waiting prompt evaluates it', async () => {
  const model = createModel(2);
  const { scheduler, reach, of, failed } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(long(id)));
  await reach(2, 'started');
  await model.step('failed');
  await reach(2, 'token');
  expect(failed.map(([id]) => id)).toEqual([1]);
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 0 });
});

test('a short common prefix is evaluated, not copied', async () => {
  const model = createModel(2);
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2]) {
    scheduler.start(id, model.prepared([...system.slice(0, 10), ...prompt(id, 50)]));
  }
  for (const id of [1, 2]) await reach(id, 'token');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 0 });
  expect(model.copies).toEqual([]);
});

test('a conversation that gave up its sequence comes back from the cache', async () => {
  const model = createModel(1);
  const { scheduler, reach, of } = run(model);
  const first = prompt(1, 100);
  scheduler.start(1, model.prepared(first, { maxTokens: 4 }));
  await reach(1, 'ended');
  scheduler.start(2, model.prepared(prompt(2, 100), { maxTokens: 1 }));
  await reach(2, 'ended');
  expect(model.memory.used).toBe(103);
  scheduler.start(3, model.prepared([...first, 7, 7, 7, 1, 2], { maxTokens: 1 }));
  await reach(3, 'ended');
  expect(prefilled(of(3))).toMatchObject({ cachedTokens: 103, copiedTokens: 103 });
  expect(scheduler.takePrefixReport()).toMatchObject({
    copies: [{ source: 'cache', bytes: 103 }],
    cacheBytes: 203,
  });
});

test('the cache keeps a conversation once, with its last turn', async () => {
  const model = createModel(1);
  const { scheduler, reach } = run(model);
  const history = prompt(1, 100);
  for (let turn = 0; turn < 3; turn++) {
    scheduler.start(2 * turn, model.prepared([...history], { maxTokens: 1 }));
    await reach(2 * turn, 'ended');
    scheduler.start(2 * turn + 1, model.prepared(prompt(50, 40), { maxTokens: 1 }));
    await reach(2 * turn + 1, 'ended');
    history.push(...prompt(10 + turn, 30));
  }
  expect(scheduler.takePrefixReport()?.cacheBytes).toBe(160 + 40);
});

test('a full cache evicts conversations, and never holds more than its limit', async () => {
  const model = createModel(1, { ...plenty, cacheBytes: 250 });
  const { scheduler, reach } = run(model);
  for (let id = 1; id <= 6; id++) {
    scheduler.start(id, model.prepared(prompt(id, 100), { maxTokens: 1 }));
    await reach(id, 'ended');
    expect(model.memory.used).toBeLessThanOrEqual(250);
  }
  expect(scheduler.takePrefixReport()).toEqual({ copies: [], evictions: 3, cacheBytes: 200 });
});

test('when memory is short, the cache gives way to a copy', async () => {
  const model = createModel(2, { ...plenty, freeBytes: 350 });
  const { scheduler, reach, of } = run(model);
  const begin = async (id: number, tokens: number[]) => {
    scheduler.start(id, model.prepared(tokens, { maxTokens: 1 }));
    await reach(id, 'ended');
  };
  for (const id of [1, 2, 3]) await begin(id, prompt(id, 200));
  expect(model.memory.used).toBe(200);
  await begin(4, [...prompt(3, 100), ...prompt(4, 100)]);
  expect(prefilled(of(4))).toMatchObject({ cachedTokens: 100, copiedTokens: 100 });
  expect(scheduler.takePrefixReport()).toMatchObject({ evictions: 2, cacheBytes: 0 });
  expect(model.memory.used).toBeLessThanOrEqual(350);
});

test('when other programs take the memory, the cache is dropped', async () => {
  const memory = { ...plenty };
  const model = createModel(1, memory);
  const { scheduler, reach } = run(model);
  for (const id of [1, 2, 3]) {
    if (id === 3) memory.freeBytes = 0;
    scheduler.start(id, model.prepared(prompt(id, 100), { maxTokens: 1 }));
    await reach(id, 'ended');
  }
  expect(model.memory.used).toBe(0);
  expect(scheduler.takePrefixReport()).toMatchObject({ evictions: 1, cacheBytes: 0 });
});

test('without memory for a copy the prompt is evaluated', async () => {
  const model = createModel(2, { ...plenty, freeBytes: 100 });
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(about(id), { maxTokens: 1 }));
  for (const id of [1, 2]) await reach(id, 'ended');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 0, copiedTokens: 0 });
  expect(evaluated(model)).toEqual({ 0: 220, 1: 220 });
  expect(model.copies).toEqual([]);
});

test.each(['save', 'load'] as const)('a %s that fails costs only the copy', async (operation) => {
  const model = createModel(2);
  const { scheduler, reach, of, failed } = run(model);
  model.memory.fails = operation;
  scheduler.start(1, model.prepared(about(1)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(about(2)));
  await reach(2, 'token');
  expect(failed).toEqual([]);
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 0, copiedTokens: 0 });
  expect(scheduler.takePrefixReport()).toMatchObject({ copies: [{ source: 'failed', bytes: 0 }] });
  expect(model.memory.used).toBe(0);
});

test('prompts of other owners start from nothing, together, one after the other and from the cache', async () => {
  const model = createModel(2);
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(about(1), { maxTokens: 1 }), 'ann');
  scheduler.start(2, model.prepared(about(1), { maxTokens: 1 }), 'bob');
  for (const id of [1, 2]) await reach(id, 'ended');
  for (const [id, owner] of ['carl', 'dora', 'carl'].entries()) {
    scheduler.start(id + 3, model.prepared(about(1), { maxTokens: 1 }), owner);
    await reach(id + 3, 'ended');
  }
  const cached = [1, 2, 3, 4, 5]
    .map((id) => prefilled(of(id)))
    .map((fact) => {
      return fact?.type === 'prefilled' ? fact.cachedTokens : undefined;
    });
  expect(cached).toEqual([0, 0, 0, 0, 219]);
});

test('without copies a prompt continues its own sequence only', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(about(id), { maxTokens: 1 }));
  for (const id of [1, 2]) await reach(id, 'ended');
  scheduler.start(3, model.prepared([...about(1), 7, 8], { maxTokens: 1 }));
  await reach(3, 'ended');
  expect(prefilled(of(2))).toMatchObject({ cachedTokens: 0 });
  expect(prefilled(of(3))).toMatchObject({ cachedTokens: 220 });
  expect(model.copies).toEqual([]);
  expect(scheduler.takePrefixReport()).toBeUndefined();
});

test.each([
  [20, true],
  [200, false],
])(
  'where a copy takes %i ms and a prompt token 1 ms, 100 tokens are copied: %s',
  async (millis, isCopied) => {
    const model = createModel(3);
    const slow = model.sequences.map((sequence) => ({
      ...sequence,
      load: (state: Parameters<typeof sequence.load>[0]) => {
        clock.millis += millis;
        return sequence.load(state);
      },
    }));
    const { scheduler, of } = run({ ...model, sequences: slow });
    async function reach(id: number): Promise<void> {
      while (of(id).at(-1)?.type !== 'ended') {
        await nextTurn();
        clock.millis += model.batches.at(-1)!.reduce((sum, [, tokens]) => sum + tokens, 0);
        await model.step();
      }
    }
    for (const id of [1, 2, 3]) {
      scheduler.start(
        id,
        model.prepared([...prompt(0, 100), ...prompt(id, 100)], { maxTokens: 1 }),
      );
      await reach(id);
    }
    expect(prefilled(of(2))).toMatchObject({ copiedTokens: 100 });
    expect(prefilled(of(3))).toMatchObject({ copiedTokens: isCopied ? 100 : 0 });
  },
);
