import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CATALOGUE,
  CODER_MODEL_ID,
  DEFAULT_MODEL_ID,
  SMALL_MODEL_ID,
} from '../../../src/models/catalogue-entries.ts';
import type { CatalogueModel } from '../../../src/models/catalogue-entries.ts';
import { findLocalFile, resolveLocalModel } from '../../../src/models/catalogue.ts';
import { cachedSha256 } from '../../../src/models/checksum.ts';
import { listModels } from '../../../src/models/list-models.ts';
import { DEMO, makeGguf } from '../../support/models/make-gguf.ts';

const demo = CATALOGUE.find(({ id }) => id === 'demo')!;
const qwen = CATALOGUE.find(({ id }) => id === DEFAULT_MODEL_ID)!;
const coder = CATALOGUE.find(({ id }) => id === CODER_MODEL_ID)!;
const smollm = CATALOGUE.find(({ id }) => id === SMALL_MODEL_ID)!;
/** As committed. */
const demoFile = new URL('../../../src/models/llamascope-demo.gguf', import.meta.url);

let modelsDir: string;
beforeEach(() => {
  modelsDir = mkdtempSync(path.join(tmpdir(), 'models-catalogue-'));
});
afterEach(() => rmSync(modelsDir, { recursive: true }));

/** Writes an empty file of the right size, and its sha256 into the cache. */
function pretendToHave(model: CatalogueModel): void {
  const file = path.join(modelsDir, model.file);
  writeFileSync(file, '');
  truncateSync(file, model.bytes);
  const cache = path.join(modelsDir, '.sha256.json');
  const known = existsSync(cache) ? (JSON.parse(readFileSync(cache, 'utf8')) as object) : {};
  const { mtimeMs } = statSync(file);
  const entry = { bytes: model.bytes, mtimeMs, sha256: model.sha256 };
  writeFileSync(cache, JSON.stringify({ ...known, [file]: entry }));
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('the demo model', () => {
  test('is byte for byte the output of its generator', () => {
    const out = path.join(modelsDir, 'again.gguf');
    const { bytes } = makeGguf({ ...DEMO, out });
    expect({ bytes, sha256: sha256(out) }).toEqual({ bytes: demo.bytes, sha256: demo.sha256 });
    expect(readFileSync(demoFile).equals(readFileSync(out))).toBe(true);
  });

  test('is under 3 MB', () => {
    expect(demo.bytes).toBeLessThan(3_000_000);
  });

  test('explains in both languages what it is and how to get the real model', () => {
    expect(DEMO.say).toMatch(/演示模型.*make model.*Qwen2\.5-0\.5B-Instruct/);
    expect(DEMO.say).toMatch(/demo model.*Qwen2\.5-0\.5B-Instruct.*make model/);
  });
});

describe('the model to serve', () => {
  test('is the demo model, with a notice, when the named model is not in the folder', async () => {
    const model = await resolveLocalModel({ model: DEFAULT_MODEL_ID, modelsDir });
    expect(model).toMatchObject({ id: 'demo', demo: true, sha256: demo.sha256 });
    expect(model.notice).toContain(`Qwen2.5-0.5B-Instruct is not in ${modelsDir}`);
    expect(model.notice).toContain('make model');
    expect(model.notice).toContain('演示模型');
    expect(sha256(model.path)).toBe(demo.sha256);
  });

  test('is the first one of the catalogue that is in the folder, when none is named', async () => {
    const resolve = () => resolveLocalModel({ model: undefined, modelsDir });
    expect((await resolve()).notice).toContain(`no other model is in ${modelsDir}`);

    pretendToHave(smollm);
    expect(await resolve()).toMatchObject({ id: smollm.id, title: smollm.title, demo: false });
    pretendToHave(coder);
    expect(await resolve()).toMatchObject({ id: coder.id, path: path.join(modelsDir, coder.file) });
    pretendToHave(qwen);
    expect((await resolve()).id).toBe(qwen.id);
    truncateSync(path.join(modelsDir, qwen.file), 4);
    expect((await resolve()).id).toBe(coder.id);
  });

  test('is the demo model with the reason, when the only file is damaged and none is named', async () => {
    writeFileSync(path.join(modelsDir, coder.file), 'GGUF');
    const model = await resolveLocalModel({ model: undefined, modelsDir });
    expect(model.id).toBe('demo');
    expect(model.notice).toContain('expected 491400064 bytes, got 4');
  });

  test('is the demo model when it is named', async () => {
    const model = await resolveLocalModel({ model: 'demo', modelsDir });
    expect(model).toMatchObject({ id: 'demo', demo: true });
    expect(model.notice).toContain('CHAT_MODEL=demo');
  });

  test('is not a file with the right name and the wrong size', async () => {
    writeFileSync(path.join(modelsDir, qwen.file), 'GGUF');
    const model = await resolveLocalModel({ model: DEFAULT_MODEL_ID, modelsDir });
    expect(model.demo).toBe(true);
    expect(model.notice).toContain('expected 491400032 bytes, got 4');
  });

  test('is not a file with the right name and size and the wrong content', async () => {
    const file = path.join(modelsDir, smollm.file);
    writeFileSync(file, '');
    truncateSync(file, smollm.bytes);
    const model = await resolveLocalModel({ model: SMALL_MODEL_ID, modelsDir });
    expect(model.demo).toBe(true);
    expect(model.notice).toContain(`expected sha256 ${smollm.sha256}`);
  });

  test('is any GGUF file, named by its path or by its name in the folder', async () => {
    const file = path.join(modelsDir, 'My-Model.Q8_0.gguf');
    copyFileSync(demoFile, file);
    appendFileSync(file, 'so that it is no model of the catalogue');
    const expected = {
      id: 'My-Model.Q8_0',
      title: 'My-Model.Q8_0',
      path: file,
      demo: false,
      sha256: sha256(file),
      lenientTools: false,
    };
    expect(await resolveLocalModel({ model: file, modelsDir })).toEqual(expected);
    expect(await resolveLocalModel({ model: path.basename(file), modelsDir })).toEqual(expected);
  });

  test('is recognised by its content under another name', async () => {
    const { path: source } = await resolveLocalModel({ model: 'demo', modelsDir });
    const file = path.join(modelsDir, 'renamed.gguf');
    copyFileSync(source, file);
    expect(await resolveLocalModel({ model: file, modelsDir })).toMatchObject({
      id: 'renamed',
      title: demo.title,
      demo: true,
    });
  });

  test.each([
    { name: 'page.gguf', content: '<!doctype html>', found: '"<!do"' },
    { name: 'empty.gguf', content: '', found: '""' },
  ])('is never $name, which is not GGUF', async ({ name, content, found }) => {
    const file = path.join(modelsDir, name);
    writeFileSync(file, content);
    await expect(resolveLocalModel({ model: file, modelsDir })).rejects.toThrow(
      `CHAT_MODEL: expected ${file} to start with "GGUF", got ${found}`,
    );
  });

  test('is explained in one line when the name is unknown', async () => {
    await expect(resolveLocalModel({ model: 'qwen', modelsDir })).rejects.toThrow(
      'CHAT_MODEL: expected one of qwen2.5-0.5b-instruct, qwen2.5-coder-0.5b-instruct, smollm2-135m-instruct, demo or the path of a .gguf file, got "qwen".',
    );
    await expect(resolveLocalModel({ model: '/none.gguf', modelsDir })).rejects.toThrow(
      'CHAT_MODEL: expected a GGUF file at /none.gguf, found none.',
    );
    await expect(resolveLocalModel({ model: modelsDir, modelsDir })).rejects.toThrow('found none');
  });
});

describe('a file in the models folder', () => {
  const small = { ...qwen, file: 'small.gguf', bytes: 4 };
  const entry = (content: string) => ({
    ...small,
    sha256: createHash('sha256').update(content).digest('hex'),
  });

  test('is hashed again only when it has changed', async () => {
    const file = path.join(modelsDir, small.file);
    writeFileSync(file, 'GGUF');
    expect(await findLocalFile(entry('GGUF'), modelsDir)).toEqual({ kind: 'present', path: file });

    const cache = path.join(modelsDir, '.sha256.json');
    const planted = readFileSync(cache, 'utf8').replace(entry('GGUF').sha256, 'planted');
    writeFileSync(cache, planted);
    expect(await findLocalFile(entry('GGUF'), modelsDir)).toMatchObject({
      reason: expect.stringContaining('got planted'),
    });

    writeFileSync(file, 'FUGG');
    expect(await findLocalFile(entry('FUGG'), modelsDir)).toMatchObject({ kind: 'present' });
  });

  test('is hashed again when the cache is damaged', async () => {
    const file = path.join(modelsDir, small.file);
    writeFileSync(file, 'GGUF');
    writeFileSync(path.join(modelsDir, '.sha256.json'), '{');
    expect(await findLocalFile(entry('GGUF'), modelsDir)).toEqual({ kind: 'present', path: file });
  });
});

describe('the catalogue', () => {
  test('has a unique id, file name and sha256 for each model', () => {
    for (const { sha256: pin } of CATALOGUE) expect(pin).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(CATALOGUE.length);
    expect(new Set(CATALOGUE.map(({ file }) => file)).size).toBe(CATALOGUE.length);
  });

  test('has packages whose parts add up to the model', () => {
    for (const { bytes, sources } of CATALOGUE) {
      for (const source of sources) {
        if (source.kind !== 'python-package') continue;
        expect(source.parts.reduce((sum, part) => sum + part.bytes, 0)).toBe(bytes);
      }
    }
  });
});

describe('make models', () => {
  test('lists each model: size, licence, sources, and whether it is on the disk', async () => {
    pretendToHave(coder);
    writeFileSync(path.join(modelsDir, smollm.file), 'GGUF');
    writeFileSync(path.join(modelsDir, 'mine.gguf'), 'GGUF');
    symlinkSync('nowhere', path.join(modelsDir, 'link.gguf'));
    const lines = (await listModels(modelsDir, 'en')).split('\n');
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['MODEL', 'TITLE', 'SIZE', 'LICENCE', 'FROM', 'ON DISK'],
      [qwen.id, qwen.title, '492 MB', 'Apache-2.0', 'Hugging Face, ModelScope', 'no'],
      [
        coder.id,
        coder.title,
        '492 MB',
        'Apache-2.0',
        'Hugging Face, ModelScope, Python index',
        'yes',
      ],
      [smollm.id, smollm.title, '99 MB', 'Apache-2.0', 'Python index', 'damaged'],
      ['demo', demo.title, '2 MB', 'Apache-2.0', 'this repository', 'yes'],
      ['mine.gguf', '-', '1 MB', '-', '-', 'yes'],
    ]);
  });

  test('is Chinese on a Chinese terminal, also without the folder', async () => {
    const text = await listModels(path.join(modelsDir, 'none'), 'zh');
    expect(text).toContain('许可证');
    expect(text).toContain('Hugging Face、ModelScope、PyPI');
  });
});

test('a cache of checksums that holds no object is written anew', async () => {
  const file = path.join(modelsDir, 'a.gguf');
  writeFileSync(file, 'abc');
  writeFileSync(path.join(modelsDir, '.sha256.json'), 'null');
  expect(await cachedSha256(file, modelsDir)).toBe(
    createHash('sha256').update('abc').digest('hex'),
  );
});
