/** The wait for an answer on one line of the terminal, from the comments of its stream. Used by `make chat`. */
import { z } from 'zod';
import type { Text } from '../../otel/text.ts';

const Queued = z.object({ position: z.int(), seconds: z.number().optional() });
const Prefill = z.object({ evaluated: z.number(), tokens: z.number().positive() });

/** Undefined for any other comment, and for a wait of which nothing is known. */
export function describeWait(comment: string): Text | undefined {
  const [, phase, facts = ''] = /^(queued|prefill) (\{.*\})$/.exec(comment.trim()) ?? [];
  if (phase === undefined) return undefined;
  const parsed = parseFacts(facts);
  const queued = Queued.safeParse(parsed).data;
  if (queued !== undefined) return describeQueued(queued);
  const prefill = Prefill.safeParse(parsed).data;
  if (prefill === undefined) return undefined;
  const percent = Math.round((100 * prefill.evaluated) / prefill.tokens);
  return { en: `Reading the prompt: ${percent} %`, zh: `正在预填充提示词：${percent}%` };
}

/** Undefined for a comment of another server. */
function parseFacts(facts: string): unknown {
  try {
    return JSON.parse(facts);
  } catch {
    return undefined;
  }
}

function describeQueued({ position, seconds }: z.infer<typeof Queued>): Text {
  const [about, left] =
    seconds === undefined ? ['', ''] : [`, about ${seconds} s`, `，约 ${seconds} 秒`];
  return {
    en: `In the queue: place ${position}${about}`,
    zh: `排队中：第 ${position} 位${left}`,
  };
}

/** Rewrites one line of `out`; nothing where `out` is no terminal. */
export function createWaitLine(out: NodeJS.WriteStream, pick: (text: Text) => string) {
  let isShown = false;
  const clear = (): void => {
    if (isShown) out.write('\r\u001B[K');
    isShown = false;
  };
  return {
    show(comment: string): void {
      const text = describeWait(comment);
      if (text === undefined || !out.isTTY) return;
      clear();
      out.write(pick(text));
      isShown = true;
    },
    clear,
  };
}
