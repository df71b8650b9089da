/** The rule that chooses the threads, with readings of machines made up here, and what is read from /proc. */
import { expect, test } from 'vitest';
import { readBusyTicks, type CpuTimes } from '../../../src/engine/worker/llama/machine.ts';
import { createThreadGovernor, govern } from '../../../src/engine/worker/thread-governor.ts';

interface Others {
  /** Busy programs with the engine's priority, and those that yield to it. */
  equal?: number;
  yielding?: number;
  /** Of the time that its threads want, what the engine gets beside them; 1 over their number by default. */
  isEngineIdle?: boolean;
}

/** Half a second a reading. A thread that shares its core with a busy program waits half of the time. */
function createMachine(cores: number, maxThreads = cores) {
  let atMillis = 0;
  let busyMillis = 0;
  let ownMillis = 0;
  const sums = Array.from({ length: maxThreads }, () => ({ ranMillis: 0, waitedMillis: 0 }));
  const reading = (): CpuTimes => ({
    atMillis,
    cores,
    busyMillis,
    ownMillis,
    threads: new Map(sums.map((sum, at) => [String(at), { ...sum }])),
  });
  let governor = govern(createThreadGovernor(maxThreads), reading());
  const chosen: number[] = [];
  return {
    /** @returns the threads of each reading. */
    run({ equal = 0, yielding = 0, isEngineIdle = false }: Others, seconds: number): number[] {
      chosen.length = 0;
      for (let at = 0; at < 2 * seconds; at++) {
        const wanted = isEngineIdle ? 0 : governor.threads;
        const waited = wanted + equal > cores ? 300 : 10;
        for (const sum of sums.slice(0, wanted)) {
          sum.ranMillis += 500 - waited;
          sum.waitedMillis += waited;
        }
        atMillis += 500;
        ownMillis += wanted * (500 - waited);
        busyMillis += 500 * Math.min(cores, wanted + equal + yielding);
        governor = govern(governor, reading());
        chosen.push(governor.threads);
      }
      return chosen;
    },
  };
}

const share = (chosen: readonly number[], threads: number): number =>
  chosen.filter((each) => each === threads).length / chosen.length;

test('a quiet machine gives all its cores', () => {
  expect(share(createMachine(2).run({}, 60), 2)).toBe(1);
});

test.each([1, 2, 5])('beside %i busy processes on two cores there is one thread', (equal) => {
  const machine = createMachine(2);
  machine.run({ equal }, 300);
  expect(share(machine.run({ equal }, 600), 1)).toBeGreaterThan(0.96);
  expect(machine.run({}, 1).at(-1)).toBe(2);
});

test('three busy processes on eight cores leave five threads', () => {
  const machine = createMachine(8);
  machine.run({ equal: 3 }, 300);
  expect(share(machine.run({ equal: 3 }, 600), 5)).toBeGreaterThan(0.96);
});

test('programs that yield their cores take no thread away', () => {
  expect(share(createMachine(2).run({ yielding: 2 }, 60), 2)).toBe(1);
});

test('a core is tried again when the program on it begins to yield', () => {
  const machine = createMachine(2);
  machine.run({ equal: 1 }, 600);
  machine.run({ yielding: 1 }, 128);
  expect(share(machine.run({ yielding: 1 }, 60), 2)).toBe(1);
});

test('an idle engine keeps its threads, whatever others do', () => {
  expect(share(createMachine(2).run({ equal: 2, isEngineIdle: true }, 60), 2)).toBe(1);
});

test('a quota below the free cores is the limit', () => {
  expect(share(createMachine(8, 2).run({ equal: 3 }, 60), 2)).toBe(1);
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
