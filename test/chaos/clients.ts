/** Clients of the kill storm: each sends one request and reports how it ended. */
import type { random } from './random.ts';

export type Ending = 'answer' | 'error_frame' | '503' | '429';

/** `kind` is the kind of request; a problem is an ending that no client should see. */
export interface Outcome {
  kind: string;
  ending: Ending | undefined;
  problem: string | undefined;
}

/** Longer than a healthy service needs: if a client still waits, the service hangs. */
const timeoutMillis = 60_000;

interface Kind {
  name: string;
  stream: boolean;
  words: [least: number, most: number];
  tokens: [least: number, most: number];
}

const kinds: readonly Kind[] = [
  { name: 'short stream', stream: true, words: [1, 20], tokens: [20, 200] },
  { name: 'short', stream: false, words: [1, 20], tokens: [20, 200] },
  { name: 'long prompt, stream', stream: true, words: [800, 1400], tokens: [1, 50] },
  { name: 'long prompt', stream: false, words: [800, 1400], tokens: [1, 50] },
];

export interface Client {
  outcome: Promise<Outcome>;
  /** Resolves at the first byte of the answer, or at its end. */
  firstByte: Promise<void>;
}

export function startClient(url: string, dice: ReturnType<typeof random>, long = false): Client {
  const kind = dice.pick(long ? kinds.slice(2) : kinds);
  const prompt = `${dice.integer(0, 1e9)} ${'word '.repeat(dice.integer(...kind.words))}`;
  const body = {
    messages: [{ role: 'user', content: prompt }],
    max_tokens: dice.integer(...kind.tokens),
    stream: kind.stream,
  };
  const first = Promise.withResolvers<void>();
  const outcome = send(url, body, first.resolve)
    .catch((error: unknown) => ({ problem: `${String(error)} ${String((error as Error).cause)}` }))
    .then((end) => {
      first.resolve();
      return typeof end === 'string'
        ? { kind: kind.name, ending: end, problem: undefined }
        : { kind: kind.name, ending: undefined, problem: end.problem };
    });
  return { outcome, firstByte: first.promise };
}

async function send(
  url: string,
  body: { stream: boolean },
  onFirstByte: () => void,
): Promise<Ending | { problem: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMillis),
  });
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    onFirstByte();
    text += chunk;
  }
  if (response.status === 503 || response.status === 429) {
    const after = Number(response.headers.get('retry-after'));
    return after >= 1
      ? `${response.status}`
      : { problem: `${response.status} without Retry-After` };
  }
  if (response.status !== 200) return { problem: `status ${response.status}: ${text}` };
  return body.stream ? endOfStream(text) : endOfBody(text);
}

function endOfBody(text: string): Ending | { problem: string } {
  const { choices } = JSON.parse(text) as { choices: { finish_reason: string }[] };
  return choices[0]?.finish_reason === 'length' ? 'answer' : { problem: `an answer of ${text}` };
}

function endOfStream(text: string): Ending | { problem: string } {
  const last = text.split('\n\n').at(-2) ?? '';
  if (last === 'data: [DONE]') return 'answer';
  if (last.startsWith('data: {"error":')) return 'error_frame';
  return { problem: `a stream that ends with ${JSON.stringify(last)}` };
}
