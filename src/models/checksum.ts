/**
 * The sha256 of a model file: computed after a download, and remembered between starts of the service, since hashing
 * 500 MB takes one to three seconds. Used by `download.ts`, `python-package.ts` and `catalogue.ts`.
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

type Remembered = Record<string, { bytes: number; mtimeMs: number; sha256: string }>;

async function readRemembered(cache: string): Promise<Remembered> {
  try {
    return JSON.parse(await readFile(cache, 'utf8')) as Remembered;
  } catch {
    return {}; // none yet, or damaged: then it is computed again
  }
}

/** As `sha256OfFile`, but a file whose size and time of change are as before is not read again. */
export async function rememberedSha256(file: string, modelsDir: string): Promise<string> {
  const cache = path.join(modelsDir, '.sha256.json');
  const key = path.resolve(file);
  const { size: bytes, mtimeMs } = await stat(file);
  const remembered = await readRemembered(cache);
  const known = remembered[key];
  if (known?.bytes === bytes && known.mtimeMs === mtimeMs) return known.sha256;
  const sha256 = await sha256OfFile(file);
  remembered[key] = { bytes, mtimeMs, sha256 };
  // A read-only or missing folder only costs the next start its second.
  await writeFile(cache, JSON.stringify(remembered, null, 2)).catch(() => {});
  return sha256;
}
