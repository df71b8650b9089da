/** What the hunter watches while hostile requests run: a stream that does not end, and /healthz. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';

interface Watch {
  /** The longest gap, or answer, since the last `reset`, in milliseconds. */
  longest(): number;
  reset(): void;
  stop(): void;
}

/** Resolves when the first token has arrived. A stream that ends is started again; the time until its first token is no gap. */
export async function watchStream(url: string): Promise<Watch & { flowing(): Promise<void> }> {
  const ended = new AbortController();
  let last: number | undefined;
  let longest = 0;

  function hear(): void {
    const now = performance.now();
    if (last !== undefined) longest = Math.max(longest, now - last);
    last = now;
  }

  async function run(): Promise<void> {
    while (!ended.signal.aborted) {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ messages: [{ role: 'user', content: 'Go on.' }], stream: true }),
        signal: ended.signal,
      });
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        if (chunk.includes('"content":"') && !chunk.includes('"content":""')) hear();
      }
      last = undefined;
    }
  }
  run().catch(() => {});
  const flowing = (): Promise<void> => until(() => last !== undefined);
  await flowing();
  return {
    flowing,
    longest: () => Math.max(longest, last === undefined ? 0 : performance.now() - last),
    reset: () => void (longest = 0),
    stop: () => ended.abort(),
  };
}

/** Asks every 20 ms, as a load balancer that is in a hurry. */
export function watchHealth(url: string): Watch {
  const stopped = new AbortController();
  let longest = 0;

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      const startedAt = performance.now();
      await (await fetch(`${url}/healthz`)).text();
      longest = Math.max(longest, performance.now() - startedAt);
      await pause(20);
    }
  }
  run().catch(() => {});
  return {
    longest: () => longest,
    reset: () => void (longest = 0),
    stop: () => stopped.abort(),
  };
}
