/** Where the facts of each running generation wait until its request reads them. Used by the host. */
import type { ChatError } from '../errors.ts';
import type { Fact } from './engine.ts';

export interface Inbox {
  /** @throws the ChatError that the generation failed with, or the signal's reason. */
  next(): Promise<Fact>;
  /** Forgets an engine's death: what waits in the queue starts anew on the next engine. */
  reopen(): void;
  close(): void;
}

export interface Inboxes {
  open(id: number, signal: AbortSignal): Inbox;
  deliver(id: number, fact: Fact): void;
  fail(id: number, error: ChatError): void;
  failAll(error: ChatError): void;
}

interface Box {
  facts: Fact[];
  error: unknown;
  wake: (() => void) | undefined;
}

export function createInboxes(): Inboxes {
  const boxes = new Map<number, Box>();

  function fail(box: Box, error: unknown): void {
    box.error ??= error;
    box.wake?.();
  }

  return {
    open(id, signal) {
      const box: Box = { facts: [], error: undefined, wake: undefined };
      boxes.set(id, box);
      const onAbort = (): void => fail(box, signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      return {
        async next() {
          for (;;) {
            const fact = box.facts.shift();
            if (fact !== undefined) return fact;
            if (box.error !== undefined) throw box.error;
            await new Promise<void>((resolve) => (box.wake = resolve));
            box.wake = undefined;
          }
        },
        reopen() {
          if (!signal.aborted) box.error = undefined;
        },
        close() {
          signal.removeEventListener('abort', onAbort);
          boxes.delete(id);
        },
      };
    },
    deliver(id, fact) {
      const box = boxes.get(id);
      if (box === undefined) return;
      box.facts.push(fact);
      box.wake?.();
    },
    fail(id, error) {
      const box = boxes.get(id);
      if (box !== undefined) fail(box, error);
    },
    failAll(error) {
      for (const box of boxes.values()) fail(box, error);
    },
  };
}
