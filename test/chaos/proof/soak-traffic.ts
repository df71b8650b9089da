/** The traffic of the soak: one request after the other, of every kind, from a seed. */
import { setTimeout as pause } from 'node:timers/promises';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import type { Notifier } from '../../support/alerting/notifier.ts';
import type { ChatService } from '../../support/api/chat-service.ts';
import type { random } from '../random.ts';

type Dice = ReturnType<typeof random>;
type Message = { role: string; content: string };

interface Call {
  path: string;
  body?: unknown;
  /** The client leaves after this many chunks. */
  leaveAfter?: number;
}

const topics = ['rivers', 'bread', 'clocks', 'trains', 'music', 'stars', 'tea', 'bridges'];
const pauseMillis = [200, 1500] as const;

const user = (content: string): Message => ({ role: 'user', content });
const chat = (body: object): Call => ({ path: '/v1/chat/completions', body });

export function createTraffic(service: ChatService, notifier: Notifier, dice: Dice) {
  const counts = new Map<string, number>();
  /** Eight conversations grow by turns, and start anew when they are long: more than there are sequences. */
  const conversations = topics.map((): Message[] => []);
  let alerts = 0;

  const kinds: Readonly<Record<string, () => Call>> = {
    stream: () =>
      chat({
        messages: [user(`Tell me about ${dice.pick(topics)}.`)],
        max_tokens: 24,
        stream: true,
      }),
    conversation() {
      const messages = dice.pick(conversations);
      if (messages.length > 8) messages.length = 0;
      messages.push(user(`And ${dice.pick(topics)}, number ${dice.integer(0, 99)}?`));
      const call = chat({ messages: [...messages], max_tokens: 16 });
      messages.push({ role: 'assistant', content: 'Yes, that too.' });
      return call;
    },
    schema: () =>
      chat({
        messages: [user(`Rate ${dice.pick(topics)}.`)],
        max_tokens: 24,
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 'rating',
            schema: {
              type: 'object',
              properties: { stars: { enum: [1, 2, 3, dice.integer(4, 9)] } },
              required: ['stars'],
              additionalProperties: false,
            },
          },
        },
      }),
    tools: () =>
      chat({
        messages: [user(`Weather for ${dice.pick(topics)}?`)],
        max_tokens: 24,
        tool_choice: 'required',
        tools: [
          {
            type: 'function',
            function: {
              name: 'weather',
              parameters: {
                type: 'object',
                properties: { place: { enum: topics } },
                required: ['place'],
              },
            },
          },
        ],
      }),
    completion: () => ({
      path: '/v1/completions',
      body: { prompt: `The ${dice.pick(topics)}`, max_tokens: 8, logprobs: 2 },
    }),
    responses: () => ({
      path: '/v1/responses',
      body: { input: `Why ${dice.pick(topics)}?`, max_output_tokens: 12 },
    }),
    anthropic: () => ({
      path: '/v1/messages',
      body: { messages: [user(`How ${dice.pick(topics)}?`)], max_tokens: 12 },
    }),
    embeddings: () => ({ path: '/v1/embeddings', body: { input: [dice.pick(topics), 'a text'] } }),
    tokenize: () => ({
      path: '/tokenize',
      body: { content: dice.pick(topics).repeat(dice.integer(1, 50)) },
    }),
    invalid: () => chat({ messages: dice.pick([1, [], [{ role: 'nobody' }]]) }),
    leaver: () => ({
      ...chat({ messages: [user('Count to a thousand.')], max_tokens: 400, stream: true }),
      leaveAfter: dice.integer(0, 12),
    }),
    page: () => ({
      path: dice.pick(['/healthz', '/readyz', '/api/traces?limit=20', '/v1/models', '/']),
    }),
  };

  async function send({ path, body, leaveAfter }: Call): Promise<string> {
    const gone = new AbortController();
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    try {
      const response = await fetch(service.url + path, { ...init, signal: gone.signal });
      let chunks = 0;
      for await (const _ of response.body ?? []) {
        chunks += 1;
        if (leaveAfter !== undefined && chunks > leaveAfter) gone.abort();
      }
      return String(response.status);
    } catch {
      return gone.signal.aborted ? 'left' : 'failed';
    }
  }

  return {
    async next(): Promise<void> {
      const name = dice.pick(Object.keys(kinds));
      const ending = await send(kinds[name]!());
      counts.set(ending, (counts.get(ending) ?? 0) + 1);
      if (dice.integer(0, 3) === 0) await postAlert(notifier, alerts++);
      await pause(dice.integer(...pauseMillis));
    },
    summary(): string {
      const endings = [...counts].toSorted().map(([ending, count]) => `${ending}: ${count}`);
      return `requests by their end: ${endings.join(', ')}; ${alerts} alerts`;
    },
  };
}

/** 200 alerts in rotation, each of which fires and ends. */
export async function postAlert(notifier: Notifier, at: number): Promise<void> {
  const fingerprint = (at % 200).toString(16).padStart(16, '0');
  const status = Math.floor(at / 200) % 2 === 0 ? 'firing' : 'resolved';
  const labels = { alertname: `Soak-${at % 200}`, job: 'soak', severity: 'warning' };
  const startsAt = new Date(1.7e12 + Math.floor(at / 400) * 1e6).toISOString();
  const alert = createAlert({ status, fingerprint, labels, startsAt });
  const response = await notifier.post(createWebhook([alert], `{}:{soak="${at % 200}"}`));
  await response.text();
  if (!response.ok) throw new Error(`the notifier answered ${response.status}`);
}
