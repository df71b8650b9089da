import { expect, test } from 'vitest';
import type { Sequence } from '../../../src/engine/worker/loaded-model.ts';
import { createSequencePool } from '../../../src/engine/worker/sequences.ts';

const system = tokens(0, 100);

/** Tokens that nobody else says. */
function tokens(seed: number, length: number): number[] {
  return Array.from({ length }, (_, index) => seed * 10_000 + index);
}

/** Conversations on `count` sequences by a clock that is set by hand. */
function createRoom(count: number) {
  const states = Array.from({ length: count }, () => [] as number[]);
  const sequences = states.map((state, id): Sequence => {
    return { id, tokens: () => state, truncate: async () => {}, prefill: async () => {} };
  });
  let seconds = 0;
  const pool = createSequencePool(sequences, () => seconds * 1000);
  return {
    pass: (more: number) => (seconds += more),
    take: (prompt: readonly number[]) => pool.take(prompt),
    cutShort(prompt: readonly number[], length: number) {
      const { sequence } = pool.take(prompt)!;
      states[sequence.id]!.push(...prompt.slice(0, length));
      pool.give(sequence);
    },
    /** Evaluates the prompt, says an answer, and gives the sequence back. */
    turn(prompt: readonly number[], answer: readonly number[] = []) {
      const { sequence, reusable } = pool.take(prompt)!;
      states[sequence.id]!.splice(reusable, Infinity, ...prompt.slice(reusable), ...answer);
      pool.give(sequence);
      return { id: sequence.id, reusable };
    },
  };
}

test('the next turn of a conversation finds its sequence', () => {
  const room = createRoom(3);
  const first = [...system, ...tokens(1, 20)];
  const answer = tokens(2, 30);
  expect(room.turn(first, answer)).toEqual({ id: 0, reusable: 0 });
  room.turn(tokens(5, 50));
  expect(room.turn([...first, ...answer, ...tokens(3, 10)])).toEqual({ id: 0, reusable: 150 });
});

test('the same prompt again evaluates its last token only', () => {
  const room = createRoom(2);
  const prompt = [...system, ...tokens(1, 20)];
  room.turn(prompt, tokens(2, 30));
  expect(room.turn(prompt)).toEqual({ id: 0, reusable: 119 });
});

test('the next turn stays though the answer before it has other tokens now', () => {
  const room = createRoom(2);
  const first = tokens(1, 46);
  room.turn(first, tokens(2, 160));
  expect(room.turn([...first, ...tokens(3, 150), ...tokens(4, 10)])).toEqual({
    id: 0,
    reusable: 46,
  });
});

test('another conversation that began with the same words leaves a long one alone', () => {
  const room = createRoom(2);
  const hello = tokens(1, 40);
  room.turn(hello, tokens(2, 30));
  room.turn([...hello, ...tokens(2, 30), ...tokens(3, 20)], tokens(4, 300));
  expect(room.turn([...hello, ...tokens(2, 30), ...tokens(5, 20)]).id).toBe(1);
});

test('an edited last message stays on the sequence of its conversation', () => {
  const room = createRoom(2);
  const first = [...system, ...tokens(1, 20)];
  const second = [...first, ...tokens(2, 30), ...tokens(3, 10)];
  room.turn(first, tokens(2, 30));
  room.turn(second, tokens(4, 60));
  expect(room.turn([...first, ...tokens(2, 30), ...tokens(9, 10)])).toEqual({
    id: 0,
    reusable: 150,
  });
});

test('who shares only the system prompt with a live conversation takes an empty sequence', () => {
  const room = createRoom(2);
  room.turn([...system, ...tokens(1, 20)], tokens(2, 30));
  room.pass(2);
  expect(room.turn([...system, ...tokens(3, 20)])).toEqual({ id: 1, reusable: 0 });
});

test('and where none is empty, the one that has been at rest for long', () => {
  const room = createRoom(2);
  room.turn([...system, ...tokens(1, 20)], tokens(2, 30));
  room.pass(2);
  room.turn([...system, ...tokens(3, 20)], tokens(4, 500));
  room.pass(600);
  room.turn([...system, ...tokens(1, 20), ...tokens(2, 30), ...tokens(5, 20)]);
  room.pass(2);
  expect(room.turn([...system, ...tokens(7, 20)])).toEqual({ id: 1, reusable: 100 });
});

test('a conversation that has been at rest for long lends its system prompt before an empty one is begun', () => {
  const room = createRoom(2);
  room.turn([...system, ...tokens(1, 20)], tokens(2, 200));
  room.pass(600);
  expect(room.turn([...system, ...tokens(3, 20)])).toEqual({ id: 0, reusable: 100 });
});

test('a prompt that was cut short is taken up where it was left', () => {
  const room = createRoom(2);
  room.cutShort(tokens(1, 300), 64);
  expect(room.turn(tokens(1, 300))).toEqual({ id: 0, reusable: 64 });
});

test('newcomers take empty sequences in ascending order', () => {
  const room = createRoom(3);
  expect([1, 2, 3].map((seed) => room.turn(tokens(seed, 10)).id)).toEqual([0, 1, 2]);
});

test('when all are live and nothing is saved, the one idle longest goes', () => {
  const room = createRoom(3);
  for (const seed of [1, 2, 3]) {
    room.turn(tokens(seed, 50 * seed));
    room.pass(10);
  }
  room.turn([...tokens(1, 50), ...tokens(4, 10)]);
  room.pass(1);
  expect(room.turn(tokens(9, 20)).id).toBe(1);
});

test('when all are live, a great saving outweighs a small loss elsewhere', () => {
  const room = createRoom(2);
  room.turn(tokens(1, 50));
  room.pass(10);
  const long = tokens(0, 1000);
  room.turn([...long, ...tokens(2, 20)]);
  room.pass(10);
  expect(room.turn([...long, ...tokens(3, 20)])).toEqual({ id: 1, reusable: 1000 });
});

test.each([100, 2000])(
  'eight conversations on eight sequences each keep their own, with a system prompt of %i tokens',
  (systemTokens) => {
    const room = createRoom(8);
    const histories = Array.from({ length: 8 }, () => tokens(0, systemTokens));
    const evicted: object[] = [];
    for (let turn = 0; turn < 4; turn++) {
      for (const [index, history] of histories.entries()) {
        const heard = turn === 0 ? 0 : history.length;
        history.push(...tokens(1 + index * 10 + turn, 20));
        const answer = tokens(500 + index * 10 + turn, 30);
        const { id, reusable } = room.turn(history, answer);
        if (id !== index || reusable !== heard) evicted.push({ turn, index, id, reusable, heard });
        history.push(...answer);
        room.pass(3);
      }
    }
    expect(evicted).toEqual([]);
  },
);

test('a sequence that is taken is not given twice', () => {
  const room = createRoom(1);
  expect(room.take([1, 2])).toMatchObject({ reusable: 0 });
  expect(room.take([1, 2])).toBeUndefined();
});
