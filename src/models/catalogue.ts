/**
 * Finds the model to serve: a named file, a model of the catalogue in the models folder, or the demo model. Used by the service at
 * start. It never uses the network; `make model` does.
 */
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CATALOGUE, DEMO_MODEL_ID, findModel, REAL_MODELS } from './catalogue-entries.ts';
import type { CatalogueModel } from './catalogue-entries.ts';
import { cachedSha256 } from './checksum.ts';

export interface ResolvedModel {
  id: string;
  path: string;
  title: string;
  demo: boolean;
  /** 64 hexadecimal digits. */
  sha256: string;
  /** Whether it writes tool calls without tags. */
  lenientTools: boolean;
  /** Explains in both languages why the demo model is served and how to change that. Shown in the log and the console. */
  notice?: string;
}

type LocalFile =
  | { kind: 'present'; path: string }
  | { kind: 'absent' }
  | { kind: 'wrong'; reason: string };

/** Looks for a model of the catalogue in the models folder and verifies its size and sha256. */
export async function findLocalFile(model: CatalogueModel, modelsDir: string): Promise<LocalFile> {
  const file = path.join(modelsDir, model.file);
  const stats = await stat(file).catch(() => undefined);
  if (stats === undefined) return { kind: 'absent' };
  if (stats.size !== model.bytes) {
    return { kind: 'wrong', reason: `${file}: expected ${model.bytes} bytes, got ${stats.size}` };
  }
  const sha256 = await cachedSha256(file, modelsDir);
  if (sha256 !== model.sha256) {
    return { kind: 'wrong', reason: `${file}: expected sha256 ${model.sha256}, got ${sha256}` };
  }
  return { kind: 'present', path: path.resolve(file) };
}

function describeModel(model: CatalogueModel, file: string): ResolvedModel {
  const { id, title, sha256, lenientTools = false } = model;
  return { id, path: file, title, demo: id === DEMO_MODEL_ID, sha256, lenientTools };
}

function describeDemo(reasonEnglish: string, reasonChinese: string): ResolvedModel {
  const demo = findModel(DEMO_MODEL_ID)!;
  const file = fileURLToPath(new URL(demo.file, import.meta.url));
  const notice =
    `The built-in demo model serves, which can say only one sentence: ${reasonEnglish}. For the real model run \`make model\`, then \`make up\`.` +
    ` / 当前使用内置演示模型，它只会说一句话。原因：${reasonChinese}。使用真实模型：先运行 make model，再运行 make up。`;
  return { ...describeModel(demo, file), notice };
}

/** Looks for the file from the working folder, then in the models folder. */
async function locateNamedFile(name: string, modelsDir: string): Promise<string> {
  for (const candidate of [path.resolve(name), path.resolve(modelsDir, name)]) {
    const stats = await stat(candidate).catch(() => undefined);
    if (stats?.isFile() === true) return candidate;
  }
  throw new Error(
    `CHAT_MODEL: expected a GGUF file at ${path.resolve(name)}, found none. Correct the path, or use one of ${knownIds()}.`,
  );
}

const knownIds = () => CATALOGUE.map((model) => model.id).join(', ');

async function readMagic(file: string): Promise<string> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.toString('latin1', 0, bytesRead);
}

async function describeNamedFile(name: string, modelsDir: string): Promise<ResolvedModel> {
  const file = await locateNamedFile(name, modelsDir);
  const magic = await readMagic(file);
  if (magic !== 'GGUF') {
    throw new Error(
      `CHAT_MODEL: expected ${file} to start with "GGUF", got ${JSON.stringify(magic)}. llama.cpp cannot read it.`,
    );
  }
  const sha256 = await cachedSha256(file, modelsDir);
  const id = path.basename(file).replace(/\.gguf$/i, '');
  const known = CATALOGUE.find((model) => model.sha256 === sha256);
  const title = known?.title ?? id;
  const lenientTools = known?.lenientTools === true;
  return { id, path: file, title, demo: known?.id === DEMO_MODEL_ID, sha256, lenientTools };
}

/** Without CHAT_MODEL: the first real model of the catalogue that is in the folder; else the demo model. */
async function findBestModel(modelsDir: string): Promise<ResolvedModel> {
  const damaged: string[] = [];
  for (const model of REAL_MODELS) {
    const local = await findLocalFile(model, modelsDir);
    if (local.kind === 'present') return describeModel(model, local.path);
    if (local.kind === 'wrong') damaged.push(local.reason);
  }
  return damaged.length > 0
    ? describeDamaged(damaged.join('; '))
    : describeDemo(`no other model is in ${modelsDir}`, `${modelsDir} 中没有其他模型`);
}

const describeDamaged = (reason: string) =>
  describeDemo(`damaged file, ${reason}`, `文件已损坏（${reason}）`);

/**
 * The model to serve. `model` is the path of a GGUF file, or an id of the catalogue; when the model with that id is not in
 * `modelsDir`, the demo model with a notice. When `model` is undefined, the best model of the catalogue in `modelsDir`.
 * @throws Error for an unknown id, a missing file, or a file that is not GGUF.
 */
export async function resolveLocalModel(options: {
  model: string | undefined;
  modelsDir: string;
}): Promise<ResolvedModel> {
  const { model: name, modelsDir } = options;
  if (name === undefined) return findBestModel(modelsDir);
  const model = findModel(name);
  if (model === undefined) {
    if (/[\\/]|\.gguf$/i.test(name)) return describeNamedFile(name, modelsDir);
    throw new Error(
      `CHAT_MODEL: expected one of ${knownIds()} or the path of a .gguf file, got "${name}".`,
    );
  }
  if (model.id === DEMO_MODEL_ID) return describeDemo('CHAT_MODEL=demo', 'CHAT_MODEL=demo');
  const local = await findLocalFile(model, modelsDir);
  if (local.kind === 'present') return describeModel(model, local.path);
  return local.kind === 'absent'
    ? describeDemo(`${model.title} is not in ${modelsDir}`, `${modelsDir} 中没有 ${model.title}`)
    : describeDamaged(local.reason);
}
