/** What the ledger's client asks for: a seeded mix of everything that can become of a request. */
import type { Order } from './telemetry-ledger.ts';

/** Never reached by a client that leaves: the model that serves the ledger does not stop by itself. */
const endless = 3500;

const chat = '/v1/chat/completions';
const stream = { stream: true, stream_options: { include_usage: true } };

type Make = (random: () => number, key: string) => Order;

function ask(fields: object): (random: () => number, key: string) => Order {
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
  [10, ask({ max_tokens: endless, leave: 'request' })],
  [8, ask({ ...stream, max_tokens: endless, leave: 1 })],
  [8, ask({ ...stream, max_tokens: endless, leave: 8 })],
  [6, (random, key) => ({ path: chat, key, body: bodies[Math.floor(random() * bodies.length)] })],
  [3, ask({ max_tokens: 100_000 })],
  [3, ask({ model: 'nobody-serves-this' })],
  [2, (random) => ({ ...ask({})(random, ''), key: 'wrong' })],
];

/** One of everything, by its weight. */
export function createOrder(random: () => number, key: string): Order {
  const total = mix.reduce((sum, [weight]) => sum + weight, 0);
  let left = random() * total;
  const [, make] = mix.find(([weight]) => (left -= weight) < 0) ?? mix[0]!;
  const order = make(random, key);
  if (typeof order.body !== 'object' || order.body === null || !('leave' in order.body)) {
    return order;
  }
  const { leave, ...body } = order.body;
  return { ...order, body, leaveAfter: leave as 'request' | number };
}

/** For a crowd that is larger than the queue. */
export const createCrowdOrder: Make = ask({ max_tokens: 64 });
/** For those that run into their deadline. */
export const createLongOrder: Make = ask({ ...stream, max_tokens: endless });
