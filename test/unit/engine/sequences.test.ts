import { expect, test } from 'vitest';
import type { Sequence } from '../../../src/engine/worker/loaded-model.ts';
import { createSequencePool } from '../../../src/engine/worker/sequences.ts';

const system = tokens(0, 100);

/** Tokens that differ from the tokens of other seeds. */
function tokens(seed: number, length: number): number[] {
  return Array.from({ length }, (_, index) => seed * 10_000 + index);
}

const nothing = () => Promise.reject(new Error('not used by the pool'));
const unused = {
  truncate: nothing,
  prefill: nothing,
  score: nothing,
  save: nothing,
  load: nothing,
};

/** A pool of `count` sequences with a manual clock. */
function createPool(count: number) {
  const states = Array.from({ length: count }, () => [] as number[]);
  const sequences = states.map((state, id): Sequence => {
    return { ...unused, id, tokens: () => state };
  });
  let seconds = 0;
  const pool = createSequencePool(sequences, () => seconds * 1000);
  return {
    pass: (more: number) => (seconds += more),
    take: (prompt: readonly number[], owner = '') => pool.take(prompt, owner),
    takeBeside: (prompt: readonly number[], isWorthMoving: Parameters<typeof pool.take>[2]) =>
      pool.take(prompt, '', isWorthMoving),
    cutShort(prompt: readonly number[], length: number, owner = '') {
      const { sequence } = pool.take(prompt, owner)!;
      states[sequence.id]!.push(...prompt.slice(0, length));
      pool.give(sequence);
    },
    /** Evaluates the prompt and an answer, and gives the sequence back. */
    turn(prompt: readonly number[], answer: readonly number[] = [], owner = '') {
      const { sequence, reusable } = pool.take(prompt, owner)!;
      states[sequence.id]!.splice(reusable, Infinity, ...prompt.slice(reusable), ...answer);
      pool.give(sequence);
      return { id: sequence.id, reusable };
    },
  };
}

test('the next turn of a conversation finds its sequence', () => {
  const pool = createPool(3);
  const first = [...system, ...tokens(1, 20)];
  const answer = tokens(2, 30);
  expect(pool.turn(first, answer)).toEqual({ id: 0, reusable: 0 });
  pool.turn(tokens(5, 50));
  expect(pool.turn([...first, ...answer, ...tokens(3, 10)])).toEqual({ id: 0, reusable: 150 });
});

test('the same prompt again evaluates only its last token', () => {
  const pool = createPool(2);
  const prompt = [...system, ...tokens(1, 20)];
  pool.turn(prompt, tokens(2, 30));
  expect(pool.turn(prompt)).toEqual({ id: 0, reusable: 119 });
});

test('the next turn stays on its sequence even if the answer before it has other tokens now', () => {
  const pool = createPool(2);
  const first = tokens(1, 46);
  pool.turn(first, tokens(2, 160));
  expect(pool.turn([...first, ...tokens(3, 150), ...tokens(4, 10)])).toEqual({
    id: 0,
    reusable: 46,
  });
});

test('a conversation with the same beginning does not replace a long one', () => {
  const pool = createPool(2);
  const hello = tokens(1, 40);
  pool.turn(hello, tokens(2, 30));
  pool.turn([...hello, ...tokens(2, 30), ...tokens(3, 20)], tokens(4, 300));
  expect(pool.turn([...hello, ...tokens(2, 30), ...tokens(5, 20)]).id).toBe(1);
});

test('an edited last message stays on the sequence of its conversation', () => {
  const pool = createPool(2);
  const first = [...system, ...tokens(1, 20)];
  const second = [...first, ...tokens(2, 30), ...tokens(3, 10)];
  pool.turn(first, tokens(2, 30));
  pool.turn(second, tokens(4, 60));
  expect(pool.turn([...first, ...tokens(2, 30), ...tokens(9, 10)])).toEqual({
    id: 0,
    reusable: 150,
  });
});

test('a prompt that shares only the system prompt with an active conversation takes an empty sequence', () => {
  const pool = createPool(2);
  pool.turn([...system, ...tokens(1, 20)], tokens(2, 30));
  pool.pass(2);
  expect(pool.turn([...system, ...tokens(3, 20)])).toEqual({ id: 1, reusable: 0 });
});

test('if none is empty, it takes one that has been idle for long', () => {
  const pool = createPool(2);
  pool.turn([...system, ...tokens(1, 20)], tokens(2, 30));
  pool.pass(2);
  pool.turn([...system, ...tokens(3, 20)], tokens(4, 500));
  pool.pass(600);
  pool.turn([...system, ...tokens(1, 20), ...tokens(2, 30), ...tokens(5, 20)]);
  pool.pass(2);
  expect(pool.turn([...system, ...tokens(7, 20)])).toEqual({ id: 1, reusable: 100 });
});

test('the system prompt of a long idle conversation is reused before an empty sequence is taken', () => {
  const pool = createPool(2);
  pool.turn([...system, ...tokens(1, 20)], tokens(2, 200));
  pool.pass(600);
  expect(pool.turn([...system, ...tokens(3, 20)])).toEqual({ id: 0, reusable: 100 });
});

test('a prompt whose prefill was interrupted continues where it ended', () => {
  const pool = createPool(2);
  pool.cutShort(tokens(1, 300), 64);
  expect(pool.turn(tokens(1, 300))).toEqual({ id: 0, reusable: 64 });
});

test('new conversations take empty sequences in ascending order', () => {
  const pool = createPool(3);
  expect([1, 2, 3].map((seed) => pool.turn(tokens(seed, 10)).id)).toEqual([0, 1, 2]);
});

test('if all are active and nothing can be reused, the least recently used one is replaced', () => {
  const pool = createPool(3);
  for (const seed of [1, 2, 3]) {
    pool.turn(tokens(seed, 50 * seed));
    pool.pass(10);
  }
  pool.turn([...tokens(1, 50), ...tokens(4, 10)]);
  pool.pass(1);
  expect(pool.turn(tokens(9, 20)).id).toBe(1);
});

test('if all are active, the largest difference of reused and lost tokens decides', () => {
  const pool = createPool(2);
  pool.turn(tokens(1, 50));
  pool.pass(10);
  const long = tokens(0, 1000);
  pool.turn([...long, ...tokens(2, 20)]);
  pool.pass(10);
  expect(pool.turn([...long, ...tokens(3, 20)])).toEqual({ id: 1, reusable: 1000 });
});

test.each([100, 2000])(
  'eight conversations keep their eight sequences, with a system prompt of %i tokens',
  (systemTokens) => {
    const pool = createPool(8);
    const histories = Array.from({ length: 8 }, () => tokens(0, systemTokens));
    const evicted: object[] = [];
    for (let turn = 0; turn < 4; turn++) {
      for (const [index, history] of histories.entries()) {
        const heard = turn === 0 ? 0 : history.length;
        history.push(...tokens(1 + index * 10 + turn, 20));
        const answer = tokens(500 + index * 10 + turn, 30);
        const { id, reusable } = pool.turn(history, answer);
        if (id !== index || reusable !== heard) evicted.push({ turn, index, id, reusable, heard });
        history.push(...answer);
        pool.pass(3);
      }
    }
    expect(evicted).toEqual([]);
  },
);

test('a sequence that is taken is not given twice', () => {
  const pool = createPool(1);
  expect(pool.take([1, 2])).toMatchObject({ reusable: 0 });
  expect(pool.take([1, 2])).toBeUndefined();
});

test('a prompt goes beside a busy sequence where the copies are worth it', () => {
  const pool = createPool(5);
  const openings = [1, 2, 3, 4, 5].map((seed) => tokens(seed, 200));
  for (const opening of openings) pool.turn(opening);
  expect(pool.take([...openings[0]!, 1])?.sequence.id).toBe(0);
  const moved: unknown[] = [];
  const next = [...openings[3]!, 1];
  const isWorthMoving = (cost: object) => moved.push(cost) > 1;
  expect(pool.takeBeside(next, isWorthMoving)?.sequence.id).toBe(3);
  expect(pool.takeBeside([...openings[4]!, 1], isWorthMoving)?.sequence.id).toBe(4);
  expect(pool.takeBeside(tokens(6, 50), isWorthMoving)?.sequence.id).toBe(1);
  expect(moved).toEqual([
    { reused: 200, lost: 200 },
    { reused: 200, lost: 0 },
    { reused: 0, lost: 200 },
  ]);
});

test('a prompt fills the gap between two busy sequences first', () => {
  const pool = createPool(4);
  for (const seed of [1, 2, 3, 4]) pool.turn(tokens(seed, 10));
  pool.take([...tokens(2, 10), 1]);
  pool.take([...tokens(4, 10), 1]);
  expect(pool.takeBeside(tokens(5, 10), () => true)?.sequence.id).toBe(2);
});
