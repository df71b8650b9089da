/** The model of the benchmarks: a real Qwen2.5 of 0.5B, else a file with its shape and random weights. */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveLocalModel } from '../../src/models/catalogue.ts';
import { makeGguf } from '../support/models/make-gguf.ts';
import type { Settings } from './settings.ts';

const folder = fileURLToPath(new URL('../../models', import.meta.url));

/** Writes a model that takes as long to evaluate as Qwen2.5-0.5B (352 MB) if it does not exist. @returns its path. */
export function writeBenchModel(): string {
  const file = path.join(folder, 'bench-q4_0.gguf');
  if (existsSync(file)) return file;
  process.stderr.write(`writing ${file}\n`);
  mkdirSync(folder, { recursive: true });
  makeGguf({ shape: 'bench', quant: 'q4_0', out: `${file}.part` });
  renameSync(`${file}.part`, file);
  return file;
}

/** @returns the path. @throws Error when MODEL names a model that is not there. */
export async function findBenchModel({ model, modelsDir }: Settings): Promise<string> {
  if (model !== undefined) {
    const { path: file, demo } = await resolveLocalModel({ model, modelsDir });
    if (demo)
      throw new Error(`MODEL: ${model} is not in ${modelsDir}. Run make model MODEL=${model}`);
    return file;
  }
  const files = existsSync(modelsDir) ? readdirSync(modelsDir) : [];
  const qwens = files.filter((file) => /^qwen2\.5.*-0\.5b.*\.gguf$/i.test(file)).toSorted();
  if (qwens[0] !== undefined) return path.resolve(modelsDir, qwens[0]);
  process.stderr.write(`
  NO REAL MODEL: no Qwen2.5-0.5B is in ${modelsDir}. A model of the same shape with RANDOM WEIGHTS is measured.
  Its speed is right, its answers are noise. For a real one: make model MODEL=qwen2.5-coder-0.5b-instruct, or make bench MODEL=file.gguf\n\n`);
  return writeBenchModel();
}
