import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { toFrames } from '../../support/api/app.ts';
import { longAnswer } from '../../support/api/chat-service.ts';
import { reasonOf, shared } from '../../support/shared.ts';

const curl = promisify(execFile);
let service: { url: string };
beforeAll(async () => {
  service = await shared('chat');
});

const hello = JSON.stringify({ messages: [{ role: 'user', content: 'hello' }] });

test("the README's curl commands get an answer", async () => {
  const { stdout } = await curl('curl', ['-s', `${service.url}/v1/chat/completions`, '-d', hello]);
  expect(JSON.parse(stdout).choices[0].message.content).toContain('make model');
  const plain = await curl('curl', ['-sN', `${service.url}/chat`, '-d', '{"prompt":"Hello"}']);
  expect(plain.stdout).toContain('make model');
});

test('curl -N gets a stream', async () => {
  const body = JSON.stringify({ ...JSON.parse(hello), stream: true });
  const { stdout } = await curl('curl', ['-sN', `${service.url}/v1/chat/completions`, '-d', body]);
  expect(toFrames(stdout).at(-1)).toBe('data: [DONE]');
});

test('curl gets the status and the message of an error', async () => {
  const options = ['-s', '-w', '\n%{http_code}', '-d', '{"prompt":"a","n":2}'];
  const { stdout } = await curl('curl', [...options, `${service.url}/chat`]);
  const [body, status] = stdout.split('\n');
  expect(status).toBe('400');
  expect(JSON.parse(body!).error.param).toBe('n');
});

test('keep-alive outlasts a proxy that closes idle connections after a minute', async () => {
  const { stdout } = await curl('curl', ['-si', `${service.url}/healthz`]);
  const [, seconds] = /^keep-alive: timeout=(\d+)\r$/im.exec(stdout)!;
  expect(Number(seconds)).toBeGreaterThan(60);
});

test('an interrupted curl is a client that disconnected', async () => {
  const body = { prompt: 'a', ...longAnswer };
  const child = spawn('curl', ['-siN', `${service.url}/chat`, '-d', JSON.stringify(body)]);
  const [head] = await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect(await reasonOf(service.url, /^traceparent: (.*)\r$/im.exec(String(head))![1]!)).toBe(
    'client_gone',
  );
});
