import { expect, test } from 'vitest';
import { readBusyTicks } from '../../../src/engine/worker/llama/machine.ts';
import { createThreadGovernor, govern } from '../../../src/engine/worker/thread-governor.ts';

/** A machine on which other programs use a number of cores, and the engine as many as it has threads, if they are left. */
function createMachine(cores: number, maxThreads = cores) {
  const times = { atMillis: 0, cores, busyMillis: 0, ownMillis: 0 };
  let governor = govern(createThreadGovernor(maxThreads), { ...times });
  return {
    /** @returns the threads after this many seconds. */
    run(others: number, seconds: number): number {
      for (let at = 0; at < 2 * seconds; at++) {
        // The scheduler is fair: where both want more than there is, each thread gets the same.
        const share = Math.min(1, cores / (governor.threads + others));
        times.atMillis += 500;
        times.ownMillis += 500 * share * governor.threads;
        times.busyMillis += 500 * share * (governor.threads + others);
        governor = govern(governor, { ...times });
      }
      return governor.threads;
    },
  };
}

test('a quiet machine gives all its cores', () => {
  expect(createMachine(2).run(0, 60)).toBe(2);
});

test.each([1, 2])('beside %i busy processes on two cores there is one thread', (spinners) => {
  const machine = createMachine(2);
  expect(machine.run(spinners, 2)).toBe(1);
  expect(machine.run(spinners, 60)).toBe(1);
  expect(machine.run(0, 2)).toBe(2);
});

test('three busy processes on eight cores leave five threads', () => {
  expect(createMachine(8).run(3, 10)).toBe(5);
});

test('a program that uses a quarter of a core takes no thread away', () => {
  expect(createMachine(2).run(0.25, 60)).toBe(2);
});

test('between a quarter and half of a core the number stays what it is', () => {
  const machine = createMachine(2);
  expect(machine.run(0.4, 10)).toBe(2);
  machine.run(1, 2);
  expect(machine.run(0.4, 10)).toBe(1);
});

test('a quota below the free cores is the limit', () => {
  expect(createMachine(8, 2).run(3, 10)).toBe(2);
});

test('more busy processes than cores leave one thread', () => {
  expect(createMachine(4).run(20, 10)).toBe(1);
});

const stat = `cpu  1707 9 376 459 270 0 5 16 0 0
cpu0 100 20 30 4000 500 1 2 3 50 0
cpu1 10 0 0 9000 0 0 0 0 0 0
cpu12 7 0 0 0 0 0 0 0 0 0
intr 23294414 0 0
`;

test.each([
  ['0-1', [156, 10]],
  ['0-63', [156, 10, 7]],
  ['1,8-12', [10, 7]],
  ['5', []],
])('of /proc/stat, the cores %s count, without idle and guest time', (allowed, busy) => {
  expect(readBusyTicks(stat, allowed)).toEqual(busy);
});
