/** The estimated wait against the real one of a simulated engine, over seeded crowds. */
import { describe, expect, test } from 'vitest';
import {
  estimateWaits,
  measureSpeed,
  unknownSpeed,
  type Running,
  type Speed,
} from '../../../src/engine/host/wait-estimate.ts';
import { createRandom } from '../../support/random.ts';

interface Person {
  id: number;
  arrivesAt: number;
  promptTokens: number;
  maxTokens: number;
  /** How long the answer is, which nobody knows in advance. */
  answerTokens: number;
}

interface Job extends Running {
  person: Person;
}

const queueTimeoutSeconds = 1e9;

/**
 * An engine as ours: each step evaluates one token of every answer and a slice of a prompt, and takes longer the more there is to do.
 * Returns, for each estimate that was given, its error as a share of the real wait.
 */
function simulate(people: readonly Person[], slots: number): number[] {
  const coming = [...people];
  const waiting: Person[] = [];
  const running: Job[] = [];
  const given: { id: number; at: number; estimate: number }[] = [];
  const startedAt = new Map<number, number>();
  let speed: Speed = unknownSpeed;
  let clock = 0;
  let nextEstimate = 0;
  while (coming.length + waiting.length + running.length > 0) {
    while (coming[0] !== undefined && coming[0].arrivesAt <= clock) waiting.push(coming.shift()!);
    while (running.length < slots && waiting.length > 0) {
      const person = waiting.shift()!;
      const { promptTokens, maxTokens } = person;
      const none = { evaluatedTokens: 0, outputTokens: 0, promptSeconds: 0, outputSeconds: 0 };
      running.push({ person, promptTokens, maxTokens, ...none });
      startedAt.set(person.id, clock);
    }
    if (clock >= nextEstimate) {
      nextEstimate = clock + 4;
      const toWait = waiting.map((each) => Object.assign({ waits: queueTimeoutSeconds }, each));
      const estimates = estimateWaits(speed, { slots, running, waiting: toWait });
      waiting.forEach(({ id }, index) => {
        if (estimates !== undefined) given.push({ id, at: clock, estimate: estimates[index]! });
      });
    }
    const slice = Math.min(
      64,
      ...running
        .filter((job) => job.evaluatedTokens < job.promptTokens)
        .slice(0, 1)
        .map((job) => job.promptTokens - job.evaluatedTokens),
    );
    const reading = running.find((job) => job.evaluatedTokens < job.promptTokens);
    const decoding = running.filter((job) => job.evaluatedTokens >= job.promptTokens);
    const seconds = 0.02 + 0.004 * decoding.length + (reading === undefined ? 0 : slice * 0.001);
    clock += running.length === 0 ? 0.1 : seconds;
    for (const job of running) {
      if (job.evaluatedTokens < job.promptTokens) job.promptSeconds += seconds;
    }
    if (reading !== undefined) reading.evaluatedTokens += slice;
    for (const job of decoding) {
      job.outputSeconds += seconds;
      job.outputTokens += 1;
      if (job.outputTokens < Math.min(job.person.answerTokens, job.maxTokens)) continue;
      speed = measureSpeed(speed, job, {
        early: job.outputTokens < job.maxTokens,
        crowded: waiting.length > 0,
      });
      running.splice(running.indexOf(job), 1);
    }
  }
  return given.map(({ id, at, estimate }) => {
    const real = startedAt.get(id)! - at;
    return Math.abs(estimate - real) / real;
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
}

/** Requests before the crowd, one every 5 s. */
const earlier = 24;
const crowdAt = 120;

/** Short and long questions and answers; half of the crowd arrives at once. `limit`: everyone's `max_tokens`, where few answers end before it. */
function createCrowd(seed: number, count: number, limit?: number): Person[] {
  const random = createRandom(seed);
  // Answer lengths are spread as in chat logs: many short, few long.
  const spread = (typical: number): number =>
    Math.ceil(typical * Math.exp(1.4 * (random() + random() + random() - 1.5)));
  return Array.from({ length: earlier + count }, (_, id) => ({
    id,
    arrivesAt: id < earlier ? id * 5 : crowdAt + (id % 2 === 0 ? 0 : random() * 60),
    promptTokens: spread(120),
    maxTokens: limit ?? (random() < 0.5 ? 128 : 512),
    answerTokens: spread(limit === undefined ? 90 : 900),
  })).toSorted((one, other) => one.arrivesAt - other.arrivesAt);
}

describe.each([
  ['answers of all lengths', 1, undefined],
  ['answers that max_tokens cuts', 2, 100],
] as const)('with %s', (_, seed, limit) => {
  test.each([1, 2, 4, 8])(
    'the median error of the wait is below 30 percent with %i sequences',
    (slots) => {
      const errors = [1, 2, 3, 4, 5, 6].flatMap((crowd) =>
        simulate(createCrowd(seed * 10 + crowd, 64, limit), slots),
      );
      expect(errors.length).toBeGreaterThan(300);
      expect(median(errors)).toBeLessThan(0.3);
    },
  );
});

describe('an estimate', () => {
  const running = {
    promptTokens: 10,
    maxTokens: 100,
    evaluatedTokens: 10,
    outputTokens: 50,
    promptSeconds: 1,
    outputSeconds: 5,
  };
  const waiting = { promptTokens: 10, maxTokens: 20, waits: 1000 };

  /** Nothing ends before its `max_tokens`. */
  const always = { ...unknownSpeed, ends: 0 };

  test('is the rest of the running answer, then the waiting ones in turn', () => {
    const state = { slots: 1, running: [running], waiting: [waiting, waiting] };
    const [first, second] = estimateWaits(always, state)!;
    expect(first).toBeCloseTo(5, 9);
    expect(second).toBeCloseTo(5 + 1 + 2, 9);
  });

  test('counts on no one who will have given up by then', () => {
    const leaving = { ...waiting, waits: 4 };
    const state = { slots: 1, running: [running], waiting: [leaving, waiting] };
    expect(estimateWaits(always, state)![1]).toBeCloseTo(5, 9);
  });

  test('is shorter where answers end before their max_tokens', () => {
    const state = { slots: 1, running: [running], waiting: [waiting] };
    const early = { ...always, ends: 20 };
    expect(estimateWaits(early, state)![0]).toBeLessThan(2);
  });

  test('does not take its speed from answers that ran alone', () => {
    const alone = { ...running, outputTokens: 100, outputSeconds: 1 };
    const learned = measureSpeed(always, alone, { early: false, crowded: false });
    const state = { slots: 1, running: [running], waiting: [waiting] };
    expect(estimateWaits(learned, state)).toEqual(estimateWaits(always, state));
  });

  test('is unknown before the first token is measured, and while the engine is down', () => {
    const fresh = { ...running, outputTokens: 0, outputSeconds: 0 };
    const state = { slots: 1, running: [fresh], waiting: [waiting] };
    expect(estimateWaits(unknownSpeed, state)).toBeUndefined();
    const down = { slots: 0, running: [running], waiting: [waiting] };
    expect(estimateWaits(unknownSpeed, down)).toBeUndefined();
  });

  test('follows an engine that has become slower', () => {
    const fast = measureSpeed(unknownSpeed, running, { early: false, crowded: true });
    const slow = { ...running, outputSeconds: 50 };
    const estimate = (job: Running): number =>
      estimateWaits(fast, { slots: 1, running: [job], waiting: [waiting] })![0]!;
    expect(estimate(slow)).toBeGreaterThan(4 * estimate(running));
  });
});
