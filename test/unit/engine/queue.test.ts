import { describe, expect, test, vi } from 'vitest';
import {
  checkRoom,
  clientToEvict,
  createQueue,
  enterQueue,
  positionOf,
  retryAfterSeconds,
  setSlots,
  takeNext,
  type Queue,
} from '../../../src/engine/host/queue.ts';

/** Enters for a client and records what happens. */
function enter(queue: Queue, client = 'one', signal = new AbortController().signal) {
  const entry = { position: -1, release: undefined as (() => void) | undefined, error: undefined };
  const onWait = (position: number) => (entry.position = position);
  const settled = enterQueue(queue, { id: 0, client, signal, onWait }).then(
    (release) => (entry.release = release),
    (error) => (entry.error = error),
  );
  return Object.assign(entry, { settled });
}

/** Releases each slot at once, until no request waits. @returns the names in order of admission. */
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
  expect(queue).toMatchObject({ lines: new Map(), running: 0 });
  return order;
}

/** A queue whose first slot is taken. */
async function occupied(options: { limit?: number; slots?: number; now?: () => number } = {}) {
  const { limit = 8, slots = 1, now } = options;
  const queue = createQueue({ limit, timeoutSeconds: 30, ...(now === undefined ? {} : { now }) });
  setSlots(queue, slots);
  const { signal } = new AbortController();
  const release = await enterQueue(queue, { id: 0, client: 'zero', signal, onWait() {} });
  return { queue, release };
}

const waiting = ({ lines }: Queue) => [...lines.values()].flat().length;

test('admits in order of arrival as slots become free', async () => {
  const { queue, release } = await occupied();
  const entries = { a: enter(queue), b: enter(queue), c: enter(queue) };
  expect(Object.values(entries).map(({ position }) => position)).toEqual([1, 2, 3]);
  expect(await serve(queue, release, entries)).toEqual(['a', 'b', 'c']);
});

test('clients take turns, and the positions on entry reflect it', async () => {
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

test('rejects the request that would exceed the limit', async () => {
  const { queue } = await occupied({ limit: 1 });
  enter(queue);
  const third = enter(queue);
  await third.settled;
  expect(third.error).toMatchObject({ code: 'queue_full', retryAfterSeconds: 2 });
  expect(() => checkRoom(queue, 'one')).toThrow('1 requests are waiting');
  expect(waiting(queue)).toBe(1);
});

test('a client that fills the queue loses its newest request to another client', async () => {
  const { queue } = await occupied({ limit: 3 });
  const hog = [enter(queue, 'hog'), enter(queue, 'hog'), enter(queue, 'hog')];
  expect(() => checkRoom(queue, 'guest')).not.toThrow();
  const guest = enter(queue, 'guest');
  await hog[2]!.settled;
  expect(hog[2]!.error).toMatchObject({ code: 'queue_full' });
  expect(guest.position).toBe(2);
  const second = enter(queue, 'guest');
  await second.settled;
  expect(second.error).toMatchObject({ code: 'queue_full' });
});

test('Retry-After is the position times the average run time, divided by the slots', async () => {
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
  // Two requests wait: position 3, 20 s each, two slots.
  expect(late.error).toMatchObject({ code: 'queue_full', retryAfterSeconds: 30 });
});

test('gives up after the timeout, leaves the queue and sets Retry-After', async () => {
  vi.useFakeTimers();
  try {
    const { queue } = await occupied();
    const late = enter(queue);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(late.error).toMatchObject({ code: 'queue_timeout', retryAfterSeconds: 1 });
    expect(waiting(queue)).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('an aborted request leaves at once, and the next one is admitted', async () => {
  const { queue, release } = await occupied();
  const leaver = new AbortController();
  const left = enter(queue, 'one', leaver.signal);
  const stays = enter(queue);
  leaver.abort(new Error('gone'));
  expect(waiting(queue)).toBe(1);
  await left.settled;
  expect(left.error).toMatchObject({ message: 'gone' });
  release();
  await stays.settled;
  expect(stays.release).toBeTypeOf('function');
});

test('requests keep waiting while there are no slots', async () => {
  const queue = createQueue({ limit: 8, timeoutSeconds: 30 });
  const entry = enter(queue);
  expect(waiting(queue)).toBe(1);
  setSlots(queue, 2);
  await entry.settled;
  expect(entry.release).toBeTypeOf('function');
});

test('a request that ends because the engine exits does not count towards the average', async () => {
  let seconds = 0;
  const { queue, release } = await occupied({ now: () => seconds * 1000 });
  seconds = 300;
  setSlots(queue, 0);
  release();
  expect(queue.heldMillis).toBeUndefined();
});

test('a slot is released once, however often it is asked to', async () => {
  const { queue, release } = await occupied({ slots: 2 });
  release();
  release();
  expect(queue.running).toBe(0);
});

describe('retryAfterSeconds', () => {
  test('is at most ten minutes', () => {
    expect(retryAfterSeconds({ heldMillis: 4_000_000, usualSlots: 1 }, 1)).toBe(600);
  });

  test('is 1 to 5 seconds before any request has ended', () => {
    const guess = (position: number) =>
      retryAfterSeconds({ heldMillis: undefined, usualSlots: 2 }, position);
    expect([1, 4, 40].map(guess)).toEqual([1, 2, 5]);
  });
});

describe('lines', () => {
  const lines = new Map([
    ['a', ['a1', 'a2', 'a3']],
    ['b', ['b1']],
    ['c', ['c1', 'c2']],
  ]);

  test('takeNext takes the first request of the first client, whose next turn is last', () => {
    const next = takeNext(lines)!;
    expect(next.item).toBe('a1');
    expect([...next.lines.keys()]).toEqual(['b', 'c', 'a']);
    expect([...takeNext(next.lines)!.lines.keys()]).toEqual(['c', 'a']);
    expect(takeNext(new Map())).toBeUndefined();
  });

  test('positionOf is the order in which takeNext admits', () => {
    const order: string[] = [];
    for (let rest: typeof lines | undefined = lines; rest !== undefined;) {
      const next = takeNext<string>(rest);
      if (next !== undefined) order.push(next.item);
      rest = next?.lines as typeof lines | undefined;
    }
    const positions = [...lines].flatMap(([client, line]) =>
      line.map((item, index) => [item, positionOf(lines, client, index)] as const),
    );
    expect(new Map(positions)).toEqual(new Map(order.map((item, at) => [item, at + 1])));
  });

  test('clientToEvict is the client with the longest line, unless the other would have as long a one', () => {
    expect(clientToEvict(lines, 'new')).toBe('a');
    expect(clientToEvict(lines, 'b')).toBe('a');
    expect(clientToEvict(lines, 'c')).toBeUndefined();
    expect(clientToEvict(lines, 'a')).toBeUndefined();
    expect(clientToEvict(new Map(), 'a')).toBeUndefined();
  });
});
