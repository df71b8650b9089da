/** A seeded mix of requests that covers every outcome: valid, rejected, and cancelled by the client. */
import type { RequestPlan } from './recording-client.ts';

/** More tokens than any client waits for; the model of these tests never ends an answer by itself. */
const endless = 3500;

const chat = '/v1/chat/completions';
const stream = { stream: true, stream_options: { include_usage: true } };

type Make = (random: () => number, key: string) => RequestPlan;

function ask(fields: object): (random: () => number, key: string) => RequestPlan {
  return (random, key) => ({
    path: chat,
    key,
    body: {
      messages: [{ role: 'user', content: `question ${Math.floor(random() * 20)}` }],
      max_tokens: 1 + Math.floor(random() * 24),
      ...fields,
    },
  });
}

function text(fields: object): Make {
  return (random, key) => ({
    path: '/v1/completions',
    key,
    body: { prompt: 'Once upon a time', max_tokens: 1 + Math.floor(random() * 16), ...fields },
  });
}

const bodies = ['{"messages"', '[]', '{}', '{"messages":[]}', '{"messages":"hi"}', '{"prompt":7}'];

const mix: readonly [weight: number, make: Make][] = [
  [20, ask({})],
  [20, ask(stream)],
  [5, ask({ ...stream, stop: 'there', max_tokens: 64 })],
  [5, text({})],
  [5, text(stream)],
  [5, (_, key) => ({ path: '/chat', key, body: { prompt: 'hi', max_tokens: 12 } })],
  [10, ask({ max_tokens: endless, disconnect: 'request' })],
  [8, ask({ ...stream, max_tokens: endless, disconnect: 1 })],
  [8, ask({ ...stream, max_tokens: endless, disconnect: 8 })],
  [6, (random, key) => ({ path: chat, key, body: bodies[Math.floor(random() * bodies.length)] })],
  [3, ask({ messages: [{ role: 'user', content: 'word '.repeat(9000) }] })],
  [3, ask({ model: 'unknown-model' })],
  [2, (random) => ({ ...ask({})(random, ''), key: 'wrong' })],
];

/** One request, drawn by weight. */
export function createMixedRequest(random: () => number, key: string): RequestPlan {
  const total = mix.reduce((sum, [weight]) => sum + weight, 0);
  let left = random() * total;
  const [, make] = mix.find(([weight]) => (left -= weight) < 0) ?? mix[0]!;
  const plan = make(random, key);
  if (typeof plan.body !== 'object' || plan.body === null || !('disconnect' in plan.body)) {
    return plan;
  }
  const { disconnect, ...body } = plan.body;
  return { ...plan, body, disconnectAfter: disconnect as 'request' | number };
}

/** A short request, to be sent in numbers that exceed the queue limit. */
export const createShortRequest: Make = ask({ max_tokens: 64 });
/** A request that runs until its deadline. */
export const createEndlessRequest: Make = ask({ ...stream, max_tokens: endless });
