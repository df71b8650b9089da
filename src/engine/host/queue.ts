/**
 * The requests that wait for a sequence: bounded, first in, first out within a client, one turn per client in rotation.
 * Used by the host.
 */
import { ChatError } from '../../errors.ts';

/** Waiting requests by client, oldest first. The first client in the map has the next turn. */
export type Lines<Item> = ReadonlyMap<string, readonly Item[]>;

interface Waiter {
  readonly id: number;
  /** Time of the clock of the queue at which it gives up. */
  readonly givesUpAt: number;
  admit(): void;
  leave(error: unknown): void;
}

export type Queue = ReturnType<typeof createQueue>;

interface Entry {
  /** Identifies the request in `readWaiting`. */
  id: number;
  client: string;
  signal: AbortSignal;
  /**
   * Called on entry with the position: 1 is admitted next, 0 at once. A later request of another client can push it back,
   * because clients take turns.
   */
  onWait: (position: number) => void;
}

const maxRetrySeconds = 600;
/** Upper limit of Retry-After before any request has ended, that is, without a measured `heldMillis`. */
const maxGuessSeconds = 5;
/** Weight of the newest request in `heldMillis`: the average covers about the last ten requests. */
const newestWeight = 0.2;

export function createQueue(options: {
  limit: number;
  timeoutSeconds: number;
  /** Milliseconds of a monotonic clock. */
  now?: () => number;
}) {
  return {
    now: () => performance.now(),
    ...options,
    lines: new Map() as Lines<Waiter>,
    /** How many requests may run at once; 0 while the engine process is down. */
    slots: 0,
    /** The last `slots` above 0, which a restarted engine is expected to have again. */
    usualSlots: 1,
    running: 0,
    /** Moving average of the time for which a request holds its slot; undefined before the first request has ended. */
    heldMillis: undefined as number | undefined,
  };
}

/**
 * Waits for a slot. Resolves with a function that releases the slot.
 * @throws ChatError `queue_full`, `queue_timeout`, or the signal's reason.
 */
export async function enterQueue(queue: Queue, entry: Entry): Promise<() => void> {
  entry.signal.throwIfAborted();
  if (hasFreeSlot(queue)) {
    entry.onWait(0);
    return takeSlot(queue);
  }
  makeRoom(queue, entry.client);
  return wait(queue, entry);
}

/** Checks for room before work that precedes `enterQueue`. @throws ChatError `queue_full` if `enterQueue` would throw it. */
export function checkRoom(queue: Queue, client: string): void {
  if (hasFreeSlot(queue) || countWaiting(queue.lines) < queue.limit) return;
  if (clientToEvict(queue.lines, client) === undefined) throw queueFull(queue, client);
}

/** Waiting requests keep their positions while `slots` is 0. */
export function setSlots(queue: Queue, slots: number): void {
  queue.slots = slots;
  if (slots > 0) queue.usualSlots = slots;
  admitWaiting(queue);
}

/** The waiting requests in the order of their admission. `waits`: seconds until it gives up. */
export function readWaiting(queue: Queue): { id: number; waits: number }[] {
  const now = queue.now();
  return inOrder(queue.lines).map(({ id, givesUpAt }) => ({ id, waits: (givesUpAt - now) / 1000 }));
}

/** One turn per client in rotation, as by `takeNext`. */
function inOrder<Item>(lines: Lines<Item>): Item[] {
  const all = [...lines.values()];
  const turns = Math.max(0, ...all.map((line) => line.length));
  return Array.from({ length: turns }, (_, turn) =>
    all.flatMap((line) => line.slice(turn, turn + 1)),
  ).flat();
}

/** Takes the oldest request of the client whose turn it is; that client's next turn comes after all others. */
export function takeNext<Item>(lines: Lines<Item>): { item: Item; lines: Lines<Item> } | undefined {
  const [first] = lines;
  if (first === undefined) return undefined;
  const [client, [item, ...rest]] = first;
  const others = new Map(lines);
  others.delete(client);
  if (rest.length > 0) others.set(client, rest);
  return { item: item!, lines: others };
}

/**
 * Position (from 1) of the `index`-th (from 0) request of `client` over all clients: every other client gets up to `index` turns
 * first, or `index + 1` where its next turn is earlier.
 */
export function positionOf(lines: Lines<unknown>, client: string, index: number): number {
  let before = index;
  let clientSeen = false;
  for (const [other, line] of lines) {
    if (other === client) clientSeen = true;
    else before += Math.min(line.length, clientSeen ? index : index + 1);
  }
  return before + 1;
}

/**
 * The client that must give up its newest request, so that no client can fill the queue: the client with the longest line, if the line of
 * `client` stays shorter even with its new request. Otherwise undefined.
 */
export function clientToEvict(lines: Lines<unknown>, client: string): string | undefined {
  const [longest] = [...lines].toSorted(([, a], [, b]) => b.length - a.length);
  if (longest === undefined) return undefined;
  const [other, line] = longest;
  return line.length > lineOf(lines, client).length + 1 ? other : undefined;
}

/** Estimated wait: `position` times the average `heldMillis`, divided by the slots. 1 to 600 s; at most 5 s without an average. */
export function retryAfterSeconds(
  { heldMillis, usualSlots }: Pick<Queue, 'heldMillis' | 'usualSlots'>,
  position: number,
): number {
  if (heldMillis === undefined) return Math.min(Math.ceil(position / usualSlots), maxGuessSeconds);
  const seconds = Math.ceil((heldMillis * position) / usualSlots / 1000);
  return Math.min(Math.max(seconds, 1), maxRetrySeconds);
}

function lineOf<Item>(lines: Lines<Item>, client: string): readonly Item[] {
  return lines.get(client) ?? [];
}

function countWaiting(lines: Lines<unknown>): number {
  return [...lines.values()].reduce((sum, line) => sum + line.length, 0);
}

function hasFreeSlot(queue: Queue): boolean {
  return queue.running < queue.slots && queue.lines.size === 0;
}

function takeSlot(queue: Queue): () => void {
  const since = queue.now();
  let isReleased = false;
  queue.running += 1;
  return () => {
    if (isReleased) return;
    isReleased = true;
    queue.running -= 1;
    // A request that ended because the engine process exited does not count towards the average.
    if (queue.slots > 0) measure(queue, queue.now() - since);
    admitWaiting(queue);
  };
}

function measure(queue: Queue, millis: number): void {
  const average = queue.heldMillis ?? millis;
  queue.heldMillis = average + newestWeight * (millis - average);
}

function admitWaiting(queue: Queue): void {
  while (queue.running < queue.slots) {
    const next = takeNext(queue.lines);
    if (next === undefined) return;
    queue.lines = next.lines;
    next.item.admit();
  }
}

function makeRoom(queue: Queue, client: string): void {
  if (countWaiting(queue.lines) < queue.limit) return;
  const evicted = clientToEvict(queue.lines, client);
  if (evicted === undefined) throw queueFull(queue, client);
  lineOf(queue.lines, evicted).at(-1)!.leave(queueFull(queue, evicted));
}

function wait(queue: Queue, { id, client, signal, onWait }: Entry): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const stopWaiting = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = {
      id,
      givesUpAt: queue.now() + queue.timeoutSeconds * 1000,
      admit() {
        stopWaiting();
        resolve(takeSlot(queue));
      },
      leave(error) {
        stopWaiting();
        remove(queue, client, waiter);
        reject(error);
      },
    };
    const onAbort = (): void => waiter.leave(signal.reason);
    const timer = setTimeout(
      () => waiter.leave(queueTimeout(queue, client, waiter)),
      queue.timeoutSeconds * 1000,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    const line = lineOf(queue.lines, client);
    queue.lines = new Map(queue.lines).set(client, [...line, waiter]);
    onWait(positionOf(queue.lines, client, line.length));
  });
}

function remove(queue: Queue, client: string, waiter: Waiter): void {
  const lines = new Map(queue.lines);
  const rest = lineOf(lines, client).filter((other) => other !== waiter);
  if (rest.length > 0) lines.set(client, rest);
  else lines.delete(client);
  queue.lines = lines;
}

function queueFull(queue: Queue, client: string): ChatError {
  const position = positionOf(queue.lines, client, lineOf(queue.lines, client).length);
  return new ChatError(
    'queue_full',
    `The queue is full: ${countWaiting(queue.lines)} requests are waiting (CHAT_QUEUE_LIMIT). Try again later.`,
    {
      retryAfterSeconds: retryAfterSeconds(queue, position),
      zh: `队列已满：${countWaiting(queue.lines)} 个请求正在排队（CHAT_QUEUE_LIMIT），请稍后重试。`,
    },
  );
}

function queueTimeout(queue: Queue, client: string, waiter: Waiter): ChatError {
  const position = positionOf(queue.lines, client, lineOf(queue.lines, client).indexOf(waiter));
  return new ChatError(
    'queue_timeout',
    `No sequence became free within ${queue.timeoutSeconds} s (CHAT_QUEUE_TIMEOUT_SECONDS). Try again later.`,
    {
      retryAfterSeconds: retryAfterSeconds(queue, position),
      zh: `排队超时：${queue.timeoutSeconds} 秒内没有空闲的并发槽位（CHAT_QUEUE_TIMEOUT_SECONDS），请稍后重试。`,
    },
  );
}
