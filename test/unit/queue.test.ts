import { expect, test, vi } from 'vitest';
import { createQueue } from '../../src/engine/queue.ts';

const never = new AbortController().signal;
const ignore = () => {};

test('admits in the order of arrival as slots come free', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  queue.setSlots(1);
  const release = await queue.enter({ signal: never, onWait: ignore });
  const order: number[] = [];
  const positions: number[] = [];
  const waiting = [1, 2, 3].map((n) =>
    queue.enter({ signal: never, onWait: (position) => positions.push(position) }).then((next) => {
      order.push(n);
      next();
    }),
  );
  expect(queue.waiting()).toBe(3);
  release();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
  expect(positions).toEqual([1, 2, 3]);
  expect([queue.waiting(), queue.running()]).toEqual([0, 0]);
});

test('turns away the one who would exceed the limit', async () => {
  const queue = createQueue({ limit: 1, timeoutSeconds: 30 });
  queue.setSlots(1);
  await queue.enter({ signal: never, onWait: ignore });
  const second = queue.enter({ signal: never, onWait: ignore });
  second.catch(ignore);
  await expect(queue.enter({ signal: never, onWait: ignore })).rejects.toMatchObject({
    code: 'queue_full',
    retryAfterSeconds: 1,
  });
  expect(queue.waiting()).toBe(1);
});

test('gives up after the timeout and frees the place', async () => {
  vi.useFakeTimers();
  try {
    const queue = createQueue({ limit: 1, timeoutSeconds: 30 });
    const waiting = queue.enter({ signal: never, onWait: ignore });
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'queue_timeout' });
    await vi.advanceTimersByTimeAsync(30_000);
    await outcome;
    expect(queue.waiting()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('lets a waiter leave by its signal, and the next one takes its turn', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  queue.setSlots(1);
  const release = await queue.enter({ signal: never, onWait: ignore });
  const leaver = new AbortController();
  const left = queue.enter({ signal: leaver.signal, onWait: ignore });
  const stays = queue.enter({ signal: never, onWait: ignore });
  leaver.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  release();
  await expect(stays).resolves.toBeTypeOf('function');
});

test('keeps those who wait while there are no slots', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  const waiting = queue.enter({ signal: never, onWait: ignore });
  expect(queue.waiting()).toBe(1);
  queue.setSlots(2);
  await expect(waiting).resolves.toBeTypeOf('function');
});

test('counts a release once however often it is called', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  queue.setSlots(2);
  const release = await queue.enter({ signal: never, onWait: ignore });
  release();
  release();
  expect(queue.running()).toBe(0);
});
