/** A server behind the tap that answers with recorded bytes, piece by piece, and misbehaves as real ones do. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Reply {
  status?: number;
  headers?: Record<string, string | number>;
  /** Pieces of the body, each in a packet of its own. */
  body?: readonly (string | Uint8Array)[];
  /** `end` the body, `cut` the connection, or send nothing more. */
  after?: 'end' | 'cut' | 'stall';
  /** All bytes of the answer, headers too, after which the connection ends. Stands in for the rest. */
  raw?: string;
}

export interface Asked {
  method: string;
  url: string;
  rawHeaders: readonly string[];
  headers: IncomingMessage['headers'];
  body: string;
}

export interface StandIn {
  url: string;
  /** The answer to every request but those of the tap's probe. */
  reply: Reply | 'cut';
  asked: Asked[];
  /** Requests whose connection the tap closed before their answer was complete. */
  aborted: number;
  models: string[];
  close(): void;
}

export async function startStandIn(port = 0): Promise<StandIn> {
  const server = createServer((request, response) => void answer(request, response));
  const standIn: StandIn = {
    url: '',
    reply: {},
    asked: [],
    aborted: 0,
    models: ['m'],
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', rawHeaders, headers } = request;
    if (url === '/health') return void response.writeHead(404).end();
    if (method === 'GET' && url === '/v1/models') {
      const data = standIn.models.map((id) => ({ id, object: 'model' }));
      return void response.end(JSON.stringify({ object: 'list', data }));
    }
    const { reply } = standIn;
    response.once('close', () => {
      if (!response.writableFinished && reply !== 'cut' && reply.after !== 'cut') {
        standIn.aborted += 1;
      }
    });
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = Buffer.concat(parts).toString();
    standIn.asked.push({ method, url, rawHeaders, headers, body });
    if (reply === 'cut') return void response.destroy();
    if (reply.raw !== undefined) return void response.socket?.end(reply.raw);
    response.writeHead(reply.status ?? 200, reply.headers);
    response.flushHeaders();
    for (const part of reply.body ?? []) {
      response.write(part);
      await delay(1);
    }
    if (reply.after === 'cut') return void response.socket?.end();
    if (reply.after !== 'stall') response.end();
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return standIn;
}

const event = (chunk: object | string): string =>
  `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`;

/** Streams in the shape of each server, with `stream_options: {"include_usage": true}` where it needs that for `usage`. */
export const streams = {
  /** llama-server: an empty role first, `timings` in the last chunk. */
  llamaServer: [
    {
      choices: [{ finish_reason: null, index: 0, delta: { role: 'assistant', content: null } }],
      created: 1764550000,
      id: 'chatcmpl-lRgiNwS3Gx0bTnxLbNXbAVvLgyTJ5fSs',
      model: 'm',
      system_fingerprint: 'b7121-8e9ddba7',
      object: 'chat.completion.chunk',
    },
    ...['Hello', ' there', '.'].map((content) => ({
      choices: [{ finish_reason: null, index: 0, delta: { content } }],
      id: 'chatcmpl-lRgiNwS3Gx0bTnxLbNXbAVvLgyTJ5fSs',
      model: 'm',
      object: 'chat.completion.chunk',
    })),
    {
      choices: [{ finish_reason: 'stop', index: 0, delta: {} }],
      id: 'chatcmpl-lRgiNwS3Gx0bTnxLbNXbAVvLgyTJ5fSs',
      model: 'm',
      object: 'chat.completion.chunk',
      timings: {
        cache_n: 10,
        prompt_n: 21,
        prompt_ms: 20.5,
        prompt_per_token_ms: 0.98,
        prompt_per_second: 1024.4,
        predicted_n: 4,
        predicted_ms: 12.25,
        predicted_per_token_ms: 3.06,
        predicted_per_second: 326.5,
      },
    },
    '[DONE]',
  ].map(event),
  /** Ollama: every chunk has an empty role, `usage` has a chunk of its own. */
  ollama: [
    ...['Hello', ' there.'].map((content) => ({
      id: 'chatcmpl-419',
      object: 'chat.completion.chunk',
      created: 1764550000,
      model: 'm',
      system_fingerprint: 'fp_ollama',
      choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }],
    })),
    {
      id: 'chatcmpl-419',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: 'stop' }],
    },
    {
      id: 'chatcmpl-419',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [],
      usage: { prompt_tokens: 31, completion_tokens: 4, total_tokens: 35 },
    },
    '[DONE]',
  ].map(event),
  /** vLLM with `continuous_usage_stats`: counts in every chunk, several tokens in one. */
  vllm: [
    {
      id: 'chatcmpl-6d7f',
      object: 'chat.completion.chunk',
      created: 1764550000,
      model: 'm',
      choices: [
        {
          index: 0,
          delta: { role: 'assistant', content: '' },
          logprobs: null,
          finish_reason: null,
        },
      ],
      prompt_token_ids: null,
      usage: { prompt_tokens: 31, total_tokens: 31, completion_tokens: 0 },
    },
    {
      id: 'chatcmpl-6d7f',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [
        { index: 0, delta: { content: 'Hello there' }, logprobs: null, finish_reason: null },
      ],
      usage: { prompt_tokens: 31, total_tokens: 33, completion_tokens: 2 },
    },
    {
      id: 'chatcmpl-6d7f',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [
        {
          index: 0,
          delta: { content: '.' },
          logprobs: null,
          finish_reason: 'length',
          stop_reason: null,
        },
      ],
      usage: { prompt_tokens: 31, total_tokens: 35, completion_tokens: 4 },
    },
    {
      id: 'chatcmpl-6d7f',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [],
      usage: {
        prompt_tokens: 31,
        total_tokens: 35,
        completion_tokens: 4,
        prompt_tokens_details: { cached_tokens: 16 },
      },
    },
    '[DONE]',
  ].map(event),
} satisfies Record<string, string[]>;

/** An answer that comes whole, as vLLM and Ollama send it. */
export const whole = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'é "x"' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 31, completion_tokens: 4, total_tokens: 35 },
};

/** What llama-server adds. */
export const timings = {
  cache_n: 10,
  prompt_n: 21,
  prompt_ms: 0.5,
  predicted_n: 4,
  predicted_ms: 0.25,
};
