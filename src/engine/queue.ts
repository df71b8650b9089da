/** Who waits for a sequence: a bounded first-in-first-out queue in front of a number of slots that may change. */
import { ChatError } from '../errors.ts';

export interface Queue {
  /**
   * Resolves with a release function once a slot is free. `onWait` is told the position (0: not waiting) at entry.
   * @throws ChatError `queue_full`, `queue_timeout`, or the signal's reason.
   */
  enter(options: { signal: AbortSignal; onWait: (position: number) => void }): Promise<() => void>;
  /** How many may run at once; 0 while the engine is away: those who wait keep their place. */
  setSlots(slots: number): void;
  waiting(): number;
  running(): number;
}

interface Waiter {
  admit(): void;
}

export function createQueue(options: { limit: number; timeoutSeconds: number }): Queue {
  const waiters: Waiter[] = [];
  let slots = 0;
  let running = 0;

  function admitNext(): void {
    while (running < slots) {
      const next = waiters.shift();
      if (next === undefined) return;
      running += 1;
      next.admit();
    }
  }

  function createRelease(): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      running -= 1;
      admitNext();
    };
  }

  function wait(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = (error: unknown): void => {
        settle();
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(error);
      };
      const onAbort = (): void => leave(signal.reason);
      const timer = setTimeout(
        () =>
          leave(
            new ChatError(
              'queue_timeout',
              `Waited ${options.timeoutSeconds} s for a free sequence and none came. Try again later.`,
              { retryAfterSeconds: options.timeoutSeconds },
            ),
          ),
        options.timeoutSeconds * 1000,
      );
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        admit() {
          settle();
          resolve(createRelease());
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiters.push(waiter);
    });
  }

  return {
    async enter({ signal, onWait }) {
      signal.throwIfAborted();
      if (running < slots && waiters.length === 0) {
        running += 1;
        onWait(0);
        return createRelease();
      }
      if (waiters.length >= options.limit) {
        throw new ChatError(
          'queue_full',
          `${waiters.length} requests are waiting already, which is the limit (CHAT_QUEUE_LIMIT). Try again later.`,
          { retryAfterSeconds: Math.max(1, Math.ceil(waiters.length / Math.max(1, slots))) },
        );
      }
      const admitted = wait(signal);
      onWait(waiters.length);
      return admitted;
    },
    setSlots(count) {
      slots = count;
      admitNext();
    },
    waiting: () => waiters.length,
    running: () => running,
  };
}
