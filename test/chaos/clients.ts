/** Clients of the kill storm: each sends one request to one of the routes and reports how it ended. */
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

type Body = Record<string, unknown>;

interface Form {
  name: string;
  path: string;
  body: (prompt: string, tokens: number) => Body;
  /** Why each part of a whole answer ended. */
  reasons: (answer: Body) => readonly unknown[];
  /** The reason of an answer of the storm's model, which never stops. */
  reason: string;
  /** How the last frame of a stream begins, after an answer and after an error. Undefined if the route has no streams. */
  last?: { answer: string; error: string };
}

const chat = {
  name: 'chat',
  path: '/v1/chat/completions',
  body: (content: string, tokens: number) => ({
    messages: [{ role: 'user', content }],
    max_tokens: tokens,
  }),
  reasons: ({ choices }: Body) => (choices as Body[]).map((choice) => choice['finish_reason']),
  reason: 'length',
  last: { answer: 'data: [DONE]', error: 'data: {"error":' },
} satisfies Form;
const completions = { ...chat, path: '/v1/completions' };

const forms: readonly Form[] = [
  chat,
  {
    ...chat,
    name: 'two answers',
    body: (prompt, tokens) => ({ ...chat.body(prompt, tokens), n: 2 }),
  },
  {
    ...completions,
    name: 'echo',
    body: (prompt, tokens) => ({ prompt, max_tokens: tokens, echo: true, logprobs: 1 }),
  },
  {
    ...completions,
    name: 'list of prompts',
    body: (prompt, tokens) => ({ prompt: [prompt, 'Then', prompt], max_tokens: tokens }),
  },
  {
    name: 'response',
    path: '/v1/responses',
    body: (input, tokens) => ({ input, max_output_tokens: tokens }),
    reasons: ({ incomplete_details: details }) => [(details as Body)['reason']],
    reason: 'max_output_tokens',
    last: { answer: 'event: response.incomplete', error: 'event: response.failed' },
  },
  {
    name: 'message',
    path: '/v1/messages',
    body: chat.body,
    reasons: ({ stop_reason: reason }) => [reason],
    reason: 'max_tokens',
    last: { answer: 'event: message_stop', error: 'event: error' },
  },
  {
    name: 'embeddings',
    path: '/v1/embeddings',
    body: (prompt) => ({ input: [prompt, 'Then', prompt] }),
    reasons: ({ data }) => (data as Body[]).map(({ object }) => object),
    reason: 'embedding',
  },
];

type Range = readonly [least: number, most: number];

const sizes: Readonly<Record<'short' | 'long', { words: Range; tokens: Range }>> = {
  short: { words: [1, 20], tokens: [20, 200] },
  long: { words: [800, 1400], tokens: [1, 50] },
};

export interface Client {
  outcome: Promise<Outcome>;
  /** Resolves at the first byte of the answer, or at its end. */
  firstByte: Promise<void>;
}

export function startClient(url: string, dice: ReturnType<typeof random>, long = false): Client {
  // Half of the requests are chats, of which there are most in any service.
  const form: Form = dice.integer(0, 1) === 0 ? chat : dice.pick(forms);
  const size = long || dice.integer(0, 1) === 0 ? 'long' : 'short';
  const { words, tokens } = sizes[size];
  const stream = form.last !== undefined && dice.integer(0, 1) === 0;
  const prompt = `${dice.integer(0, 1e9)} ${'word '.repeat(dice.integer(...words))}`;
  const body = { ...form.body(prompt, dice.integer(...tokens)), stream };
  const first = Promise.withResolvers<void>();
  const kind = `${form.name}, ${size}${stream ? ', stream' : ''}`;
  const outcome = send(url + form.path, form, body, first.resolve)
    .catch((error: unknown) => ({ problem: `${String(error)} ${String((error as Error).cause)}` }))
    .then((end) => {
      first.resolve();
      return typeof end === 'string'
        ? { kind, ending: end, problem: undefined }
        : { kind, ending: undefined, problem: end.problem };
    });
  return { outcome, firstByte: first.promise };
}

async function send(
  url: string,
  form: Form,
  body: { stream: boolean },
  onFirstByte: () => void,
): Promise<Ending | { problem: string }> {
  const response = await fetch(url, {
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
  return body.stream ? endOfStream(form.last!, text) : endOfBody(form, text);
}

function endOfBody({ reasons, reason }: Form, text: string): Ending | { problem: string } {
  const ends = reasons(JSON.parse(text) as Body);
  const isWhole = ends.length > 0 && ends.every((each) => each === reason);
  return isWhole ? 'answer' : { problem: `an answer of ${text}` };
}

function endOfStream(last: NonNullable<Form['last']>, text: string): Ending | { problem: string } {
  const frame = text.split('\n\n').at(-2) ?? '';
  if (frame.startsWith(last.answer)) return 'answer';
  if (frame.startsWith(last.error)) return 'error_frame';
  return { problem: `a stream that ends with ${JSON.stringify(frame)}` };
}
