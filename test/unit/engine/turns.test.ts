import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurns, runSliced } from '../../../src/engine/worker/turns.ts';

function* sliced(name: string, count: number, log: string[]): Generator<void, string, void> {
  try {
    for (let slice = 0; slice < count; slice++) {
      log.push(`${name}${slice}`);
      yield;
    }
    return name;
  } finally {
    log.push(`${name} ends`);
  }
}

test('runs work in order of arrival, one item at a time', async () => {
  const turns = createTurns();
  const log: string[] = [];
  const a = turns.take(1, (signal) => runSliced(sliced('a', 2, log), signal));
  const b = turns.take(2, (signal) => runSliced(sliced('b', 1, log), signal));
  expect(await Promise.all([a, b])).toEqual(['a', 'b']);
  expect(log).toEqual(['a0', 'a1', 'a ends', 'b0', 'b ends']);
});

test('lets the event loop turn before each slice', async () => {
  const log: string[] = [];
  const decoding = setInterval(() => log.push('step'), 0);
  const stepping = (function* () {
    for (let slice = 0; slice < 40; slice++) {
      const until = performance.now() + 2;
      while (performance.now() < until);
      log.push('slice');
      yield;
    }
  })();
  await runSliced(stepping, new AbortController().signal);
  clearInterval(decoding);
  expect(log.join(' ')).not.toContain('slice slice slice');
});

test('cancelled work does not begin, or ends at the next slice', async () => {
  const turns = createTurns();
  const log: string[] = [];
  const a = turns.take(1, (signal) => {
    turns.cancel(2);
    turns.cancel(1);
    return runSliced(sliced('a', 100, log), signal);
  });
  const b = turns.take(2, (signal) => runSliced(sliced('b', 100, log), signal));
  const c = turns.take(3, (signal) => {
    const work = runSliced(sliced('c', 100, log), signal);
    setImmediate(() => turns.cancel(3));
    return work;
  });
  const d = turns.take(4, async () => log.push('d0'));
  turns.cancel(4);
  expect(await Promise.all([a, b, c, d])).toEqual(Array.from({ length: 4 }));
  expect(log.filter((line) => /^[abd]/.test(line))).toEqual([]);
  expect(log.at(-1)).toBe('c ends');
  expect(log.length).toBeLessThan(5);
});

test('work that fails rejects, and the next item runs', async () => {
  const turns = createTurns();
  const bad = turns.take(1, async () => {
    throw new Error('no');
  });
  const good = turns.take(2, async () => 'good');
  await expect(bad).rejects.toThrow('no');
  expect(await good).toBe('good');
});

test('no slice begins while a step is about to be submitted', async () => {
  const log: string[] = [];
  let isFree = false;
  const work = runSliced(sliced('a', 2, log), new AbortController().signal, () => isFree);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  expect(log).toEqual([]);
  isFree = true;
  expect(await work).toBe('a');
});
