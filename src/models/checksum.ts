/**
 * The sha256 of a model file. It is cached between starts of the service, because hashing 500 MB takes 1 to 3 s. Used by
 * `download.ts`, `python-package.ts` and `catalogue.ts`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** 64 hexadecimal digits. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

type Cache = Record<string, { bytes: number; mtimeMs: number; sha256: string }>;

/** Like `sha256OfFile`, but reads the file only if its size or modification time has changed. */
export async function cachedSha256(file: string, modelsDir: string): Promise<string> {
  const cacheFile = path.join(modelsDir, '.sha256.json');
  const key = path.resolve(file);
  const { size: bytes, mtimeMs } = await stat(file);
  // When the cache is missing or damaged, the hashes are computed again.
  const cache = await readFile(cacheFile, 'utf8')
    .then((text) => Object(JSON.parse(text)) as Cache)
    .catch((): Cache => ({}));
  const known = cache[key];
  if (known?.bytes === bytes && known.mtimeMs === mtimeMs) return known.sha256;
  const sha256 = await sha256OfFile(file);
  cache[key] = { bytes, mtimeMs, sha256 };
  // When the folder is missing or read-only, the next start computes the hash again.
  await writeFile(cacheFile, JSON.stringify(cache, null, 2)).catch(() => {});
  return sha256;
}
