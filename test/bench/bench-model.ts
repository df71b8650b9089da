/** A model with the shape of Qwen2.5-0.5B and random weights, which takes as long to evaluate. Used by the benchmarks. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeGguf } from '../support/models/make-gguf.ts';

const folder = fileURLToPath(new URL('../../models', import.meta.url));

/** Writes the file (352 MB) if it does not exist. @returns its path. */
export function writeBenchModel(): string {
  const file = path.join(folder, 'bench-q4_0.gguf');
  if (existsSync(file)) return file;
  process.stderr.write(`writing ${file}\n`);
  mkdirSync(folder, { recursive: true });
  makeGguf({ shape: 'bench', quant: 'q4_0', out: `${file}.part` });
  renameSync(`${file}.part`, file);
  return file;
}
