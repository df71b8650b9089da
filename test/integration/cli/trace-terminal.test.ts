/** `make trace` and `make chat` against the real service, run as make runs them. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';

const root = path.join(import.meta.dirname, '../../..');
const run = promisify(execFile);

let service: ChatService;
beforeAll(async () => {
  service = await startChatService();
});
afterAll(() => service.stop());

function runProgram(file: string, argument: string, env: Record<string, string> = {}) {
  // Vitest may set it.
  const { FORCE_COLOR: _, ...rest } = process.env;
  const options = { cwd: root, env: { ...rest, CHAT_URL: service.url, ...env } };
  return run(process.execPath, [file, argument], options);
}

/** The label of each span of a waterfall, without the row for the time that no phase explains, which depends on the machine. */
function spansIn(text: string): string[] {
  const rows = text.split('\n').filter((line) => /[█▏▎▍▌▋▊▉]/u.test(line));
  return rows
    .map((row) => row.replace(/ {2,}[\d.]+ m?s .*$/u, ''))
    .filter((row) => !row.endsWith('rest'))
    .map((row) => row.replace('├ decode', '└ decode'));
}

const wholeTrace = [
  'POST /v1/chat/completions',
  '└ chat demo',
  '  ├ tokenize',
  '  ├ queue',
  '  ├ prefill',
  '  └ decode',
];

test('make trace fails if there is no trace yet', async () => {
  await expect(runProgram('src/cli/trace.ts', '')).rejects.toMatchObject({
    code: 1,
    stderr: 'There is no trace yet. Ask something first: make chat Q="Hello"\n',
  });
});

test('make chat answers, then draws every span of the request to its last byte', async () => {
  const { stdout } = await runProgram('src/cli/chat.ts', 'hello');
  const [, tail = ''] = stdout.split(/^\d+ tokens in, /m);
  expect(tail).toMatch(/^\d+ out, [\d.]+ a second\ntrace [0-9a-f]{32}\n/);
  expect(spansIn(tail)).toEqual(wholeTrace);
  expect(tail).toMatch(/completed, (stop|length), \d+ in, \d+ cached, \d+ out/);
  expect(tail).toMatch(/\d+ out, [\d.]+\/s, first token at [\d.]+ m?s/);
});

test('make trace draws the same, by id and as the last one, without colour for a pipe', async () => {
  const chat = await runProgram('src/cli/chat.ts', 'hello');
  const drawn = chat.stdout.slice(chat.stdout.indexOf('trace '));
  const id = drawn.slice('trace '.length, 'trace '.length + 32);
  for (const argument of [id, id.toUpperCase(), 'last', '']) {
    const { stdout } = await runProgram('src/cli/trace.ts', argument);
    expect(stdout.toLowerCase()).toBe(drawn.toLowerCase());
    expect(stdout).not.toContain('\u001B');
  }
});

test('make trace explains an unknown trace, and a service that does not answer', async () => {
  await expect(runProgram('src/cli/trace.ts', '../status')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('trace not found. Only recent traces are kept'),
  });
  const nowhere = { CHAT_URL: 'http://127.0.0.1:9' };
  await expect(runProgram('src/cli/trace.ts', 'last', nowhere)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^No chat service answers at .* Start it with `make up`\.\n$/),
  });
});
