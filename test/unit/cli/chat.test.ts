/** `make chat` against a server that streams without end, refuses, or breaks off. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { spanAttributes } from '../../../otel/names.ts';

const root = path.join(import.meta.dirname, '../../..');
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const event = (chunk: object): string => `data: ${JSON.stringify(chunk)}\n\n`;
const piece = (content: string, finish: string | null = null): string =>
  event({ choices: [{ delta: { content }, finish_reason: finish }] });

/** A decode span with 2,702 tokens, as it is stored for an answer that was stopped. */
const trace = {
  resourceSpans: [
    {
      resource: { attributes: [] },
      scopeSpans: [
        {
          spans: [
            {
              traceId,
              spanId: '00f067aa0ba902b7',
              name: 'POST /v1/chat/completions',
              kind: 2,
              startTimeUnixNano: '1790000000000000000',
              endTimeUnixNano: '1790000001000000000',
              attributes: [
                { key: spanAttributes.inputTokens, value: { intValue: 31 } },
                { key: spanAttributes.outputTokens, value: { intValue: 2702 } },
              ],
              events: [],
              status: { code: 0 },
            },
          ],
        },
      ],
    },
  ],
};

async function chat(
  answer: (response: ServerResponse) => void,
  { env = {}, interruptAt = /never/ }: { env?: NodeJS.ProcessEnv; interruptAt?: RegExp } = {},
) {
  const asked: string[] = [];
  let conversation: unknown;
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api/traces')) return response.end(JSON.stringify(trace));
    if (request.url === '/readyz') return response.end('{}');
    conversation = request.headers['x-conversation-id'];
    request.setEncoding('utf8').on('data', (part: string) => asked.push(part));
    request.on('end', () => {
      response.setHeader('traceparent', `00-${traceId}-00f067aa0ba902b7-01`);
      answer(response);
    });
    return undefined;
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, ['src/cli/chat.ts', 'hi'], {
    cwd: root,
    env: { ...process.env, CHAT_URL: `http://127.0.0.1:${port}`, LLAMASCOPE_LANG: 'en', ...env },
  });
  let text = '';
  let isInterrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      // Once: a second Ctrl-C ends the program itself.
      if (interruptAt.test(text) && !isInterrupted) isInterrupted = child.kill('SIGINT');
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  server.closeAllConnections();
  return { code, text, asked: JSON.parse(asked.join('')) as object, conversation };
}

test('Ctrl-C ends an answer that does not end, and shows the numbers of its trace', async () => {
  const answer = (response: ServerResponse): void => {
    const more = setInterval(() => response.write(piece('again ')), 5);
    response.once('close', () => clearInterval(more));
  };
  const { code, text, asked } = await chat(answer, { interruptAt: /again again/ });
  expect(text).toMatch(/again \n\n\[stopped\]\n31 tokens in, 2702 out, - a second\ntrace 4bf9/);
  expect(code).toBe(130);
  expect(asked).toMatchObject({ max_tokens: 512 });
});

test('an answer of the maximum length is called cut off', async () => {
  const { code, text, conversation } = await chat((response) =>
    response.end(piece('on and on', 'length')),
  );
  expect(text).toContain('on and on\n[cut off after 512 tokens]\n');
  expect(code).toBe(0);
  // By it a proxy in front of replicas spreads the questions.
  expect(conversation).toMatch(/^[\da-f-]{36}$/);
});

test.each([
  ['en', '503: The model cannot be loaded: no.'],
  ['zh', '503: 模型无法加载：no。'],
])('a refusal is shown in the language %s: exit code 1', async (language, message) => {
  const error = { message: 'The model cannot be loaded: no.', message_zh: '模型无法加载：no。' };
  const refuse = (response: ServerResponse): void =>
    void response.writeHead(503).end(JSON.stringify({ error }));
  const { code, text } = await chat(refuse, { env: { LLAMASCOPE_LANG: language } });
  expect(text).toBe(`${message}\n`);
  expect(code).toBe(1);
});

test('an error in the stream is shown after the text: exit code 1', async () => {
  const { code, text } = await chat((response) =>
    response.end(piece('half') + event({ error: { message: 'The engine process ended.' } })),
  );
  expect(text).toMatch(/half\n\n[^]*The engine process ended\./);
  expect(code).toBe(1);
});
