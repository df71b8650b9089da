/**
 * Who waits for a sequence, in front of a number of slots that may change: bounded, first in first out within a client,
 * and the clients take turns. Used by the host.
 */
import { ChatError } from '../../errors.ts';

export interface Queue {
  /**
   * Resolves with a release function once a slot is free. `onWait` is told the place in the line at entry: 1 is the
   * next to be admitted, 0 does not wait. It holds if nobody else comes: later ones of other clients may take turns.
   * @throws ChatError `queue_full`, `queue_timeout`, or the signal's reason.
   */
  enter(options: {
    client: string;
    signal: AbortSignal;
    onWait: (position: number) => void;
  }): Promise<() => void>;
  /** For what costs work before it can enter. @throws ChatError `queue_full` if `enter` would. */
  checkRoom(client: string): void;
  /** How many may run at once; 0 while the engine is away: those who wait keep their place. */
  setSlots(slots: number): void;
  waiting(): number;
  running(): number;
}

interface Waiter {
  admit(): void;
  leave(error: unknown): void;
}

const longestRetrySeconds = 600;
/** What is said before any request has been timed. */
const longestGuessSeconds = 5;
/** Weight of the newest request in the average: about the last ten count. */
const newestWeight = 0.2;

export function createQueue(options: {
  limit: number;
  timeoutSeconds: number;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}): Queue {
  const now = options.now ?? (() => performance.now());
  /** Those who wait by client; the first client of the map is the next to have a turn. */
  const lines = new Map<string, readonly Waiter[]>();
  let slots = 0;
  /** While the engine is away it is expected to come back as it was. */
  let usualSlots = 1;
  let running = 0;
  let heldMillis: number | undefined;

  function waiting(): number {
    return [...lines.values()].reduce((sum, line) => sum + line.length, 0);
  }

  function admitNext(): void {
    if (running >= slots) return;
    const next = lines.entries().next().value;
    if (next === undefined) return;
    const [client, [waiter, ...rest]] = next;
    lines.delete(client);
    if (rest.length > 0) lines.set(client, rest);
    waiter!.admit();
    admitNext();
  }

  function hold(): () => void {
    const since = now();
    let released = false;
    running += 1;
    return () => {
      if (released) return;
      released = true;
      running -= 1;
      // Cut short by the death of the engine it says nothing about how long requests take.
      if (slots > 0) measure(now() - since);
      admitNext();
    };
  }

  function measure(millis: number): void {
    heldMillis =
      heldMillis === undefined ? millis : heldMillis + newestWeight * (millis - heldMillis);
  }

  /** Place of the one who is `index`-th (from 0) in the line of `client`: each other client has as many turns before. */
  function positionOf(client: string, index: number): number {
    let before = index;
    let clientSeen = false;
    for (const [other, line] of lines) {
      if (other === client) clientSeen = true;
      else before += Math.min(line.length, clientSeen ? index : index + 1);
    }
    return before + 1;
  }

  function retryAfterSeconds(position: number): number {
    if (heldMillis === undefined) {
      return Math.min(Math.ceil(position / usualSlots), longestGuessSeconds);
    }
    const seconds = Math.ceil((heldMillis * position) / usualSlots / 1000);
    return Math.min(Math.max(seconds, 1), longestRetrySeconds);
  }

  function lineOf(client: string): readonly Waiter[] {
    return lines.get(client) ?? [];
  }

  function full(client: string): ChatError {
    return new ChatError(
      'queue_full',
      `${waiting()} requests are waiting already, which is the limit (CHAT_QUEUE_LIMIT). Try again later.`,
      { retryAfterSeconds: retryAfterSeconds(positionOf(client, lineOf(client).length)) },
    );
  }

  /** The client with the most waiting gives up its newest for one who has fewer, or it could shut out all others. */
  function whoMakesRoom(client: string): string | undefined {
    const [longest] = [...lines].toSorted(([, a], [, b]) => b.length - a.length);
    if (longest === undefined || longest[1].length <= lineOf(client).length + 1) return undefined;
    return longest[0];
  }

  function isFree(): boolean {
    return running < slots && lines.size === 0;
  }

  function makeRoom(client: string): void {
    if (waiting() < options.limit) return;
    const other = whoMakesRoom(client);
    if (other === undefined) throw full(client);
    lineOf(other).at(-1)!.leave(full(other));
  }

  function wait(
    client: string,
    signal: AbortSignal,
    onWait: (position: number) => void,
  ): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        admit() {
          settle();
          resolve(hold());
        },
        leave(error) {
          settle();
          const rest = lineOf(client).filter((other) => other !== waiter);
          if (rest.length > 0) lines.set(client, rest);
          else lines.delete(client);
          reject(error);
        },
      };
      const onAbort = (): void => waiter.leave(signal.reason);
      const timer = setTimeout(() => {
        const position = positionOf(client, lineOf(client).indexOf(waiter));
        const message = `Waited ${options.timeoutSeconds} s for a free sequence and none came. Try again later.`;
        waiter.leave(
          new ChatError('queue_timeout', message, {
            retryAfterSeconds: retryAfterSeconds(position),
          }),
        );
      }, options.timeoutSeconds * 1000);
      signal.addEventListener('abort', onAbort, { once: true });
      lines.set(client, [...lineOf(client), waiter]);
      onWait(positionOf(client, lineOf(client).length - 1));
    });
  }

  return {
    async enter({ client, signal, onWait }) {
      signal.throwIfAborted();
      if (isFree()) {
        onWait(0);
        return hold();
      }
      makeRoom(client);
      return wait(client, signal, onWait);
    },
    checkRoom(client) {
      if (isFree() || waiting() < options.limit) return;
      if (whoMakesRoom(client) === undefined) throw full(client);
    },
    setSlots(count) {
      slots = count;
      if (count > 0) usualSlots = count;
      admitNext();
    },
    waiting,
    running: () => running,
  };
}
