import { expect, test, vi } from 'vitest';
import { createQueue, type Queue } from '../../../src/engine/host/queue.ts';

const ignore = () => {};

/** Enters for a client and keeps what happened. */
function enter(queue: Queue, client = 'one', signal = new AbortController().signal) {
  const entry = { position: -1, release: undefined as (() => void) | undefined, error: undefined };
  const onWait = (position: number) => (entry.position = position);
  const settled = queue.enter({ client, signal, onWait }).then(
    (release) => (entry.release = release),
    (error) => (entry.error = error),
  );
  return Object.assign(entry, { settled });
}

/** Releases slots until nobody waits; who got one, in order. */
async function serve(
  queue: Queue,
  first: () => void,
  entries: Record<string, ReturnType<typeof enter>>,
) {
  const order: string[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    void entry.settled.then(() => entry.release && order.push(name) && entry.release());
  }
  first();
  await Promise.all(Object.values(entries).map((entry) => entry.settled));
  await Promise.resolve();
  expect([queue.waiting(), queue.running()]).toEqual([0, 0]);
  return order;
}

async function occupied(options: { limit?: number; slots?: number; now?: () => number } = {}) {
  const { limit = 8, slots = 1, now } = options;
  const queue = createQueue({ limit, timeoutSeconds: 30, ...(now === undefined ? {} : { now }) });
  queue.setSlots(slots);
  const release = await queue.enter({
    client: 'zero',
    signal: new AbortController().signal,
    onWait: ignore,
  });
  return { queue, release };
}

test('admits in the order of arrival as slots come free', async () => {
  const { queue, release } = await occupied();
  const entries = { a: enter(queue), b: enter(queue), c: enter(queue) };
  expect(Object.values(entries).map(({ position }) => position)).toEqual([1, 2, 3]);
  expect(await serve(queue, release, entries)).toEqual(['a', 'b', 'c']);
});

test('clients take turns, and positions say so', async () => {
  const { queue, release } = await occupied();
  const entries = {
    a1: enter(queue, 'a'),
    a2: enter(queue, 'a'),
    a3: enter(queue, 'a'),
    b1: enter(queue, 'b'),
    b2: enter(queue, 'b'),
    c1: enter(queue, 'c'),
  };
  expect(Object.values(entries).map(({ position }) => position)).toEqual([1, 2, 3, 2, 4, 3]);
  const order = await serve(queue, release, entries);
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
});

test('turns away the one who would exceed the limit', async () => {
  const { queue } = await occupied({ limit: 1 });
  enter(queue);
  const third = enter(queue);
  await third.settled;
  expect(third.error).toMatchObject({ code: 'queue_full', retryAfterSeconds: 2 });
  expect(() => queue.checkRoom('one')).toThrow('1 requests are waiting already');
  expect(queue.waiting()).toBe(1);
});

test('a client that fills the list makes room for others', async () => {
  const { queue } = await occupied({ limit: 3 });
  const hog = [enter(queue, 'hog'), enter(queue, 'hog'), enter(queue, 'hog')];
  expect(() => queue.checkRoom('guest')).not.toThrow();
  const guest = enter(queue, 'guest');
  await hog[2]!.settled;
  expect(hog[2]!.error).toMatchObject({ code: 'queue_full' });
  expect(guest.position).toBe(2);
  const second = enter(queue, 'guest');
  await second.settled;
  expect(second.error).toMatchObject({ code: 'queue_full' });
});

test('Retry-After is the place in the line times how long a slot is held, over the slots', async () => {
  let seconds = 0;
  const { queue, release } = await occupied({ limit: 2, slots: 2, now: () => seconds * 1000 });
  const other = enter(queue);
  await other.settled;
  seconds = 20;
  release();
  enter(queue);
  enter(queue);
  enter(queue);
  const late = enter(queue);
  await late.settled;
  // Two wait already: the third place, 20 s a slot, two slots.
  expect(late.error).toMatchObject({ code: 'queue_full', retryAfterSeconds: 30 });
});

test('Retry-After is ten minutes at most', async () => {
  let seconds = 0;
  const { queue, release } = await occupied({ limit: 0, now: () => seconds * 1000 });
  seconds = 4000;
  release();
  const quick = enter(queue);
  await quick.settled;
  const late = enter(queue);
  await late.settled;
  expect(late.error).toMatchObject({ retryAfterSeconds: 600 });
});

test('before anything was measured Retry-After is a guess of 1 to 5 seconds', async () => {
  const { queue } = await occupied({ limit: 40 });
  for (let waiter = 0; waiter < 40; waiter++) enter(queue);
  const late = enter(queue);
  await late.settled;
  expect(late.error).toMatchObject({ retryAfterSeconds: 5 });
});

test('gives up after the timeout, frees the place and says when to come again', async () => {
  vi.useFakeTimers();
  try {
    const { queue } = await occupied();
    const waiting = enter(queue);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(waiting.error).toMatchObject({ code: 'queue_timeout', retryAfterSeconds: 1 });
    expect(queue.waiting()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('lets a waiter leave by its signal at once, and the next one takes its turn', async () => {
  const { queue, release } = await occupied();
  const leaver = new AbortController();
  const left = enter(queue, 'one', leaver.signal);
  const stays = enter(queue);
  leaver.abort(new Error('gone'));
  expect(queue.waiting()).toBe(1);
  await left.settled;
  expect(left.error).toMatchObject({ message: 'gone' });
  release();
  await stays.settled;
  expect(stays.release).toBeTypeOf('function');
});

test('keeps those who wait while there are no slots', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  const waiting = enter(queue);
  expect(queue.waiting()).toBe(1);
  queue.setSlots(2);
  await waiting.settled;
  expect(waiting.release).toBeTypeOf('function');
});

test('what the death of the engine cut short says nothing about how long a request takes', async () => {
  let seconds = 0;
  const { queue, release } = await occupied({ limit: 0, now: () => seconds * 1000 });
  seconds = 300;
  queue.setSlots(0);
  release();
  const late = enter(queue);
  await late.settled;
  expect(late.error).toMatchObject({ retryAfterSeconds: 1 });
});

test('counts a release once however often it is called', async () => {
  const { queue, release } = await occupied({ slots: 2 });
  release();
  release();
  expect(queue.running()).toBe(0);
});
