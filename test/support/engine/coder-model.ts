/** Qwen2.5-Coder-0.5B-Instruct, if its file is in the models folder or LLAMASCOPE_TEST_MODEL names it elsewhere. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const coderFile =
  process.env['LLAMASCOPE_TEST_MODEL'] ??
  fileURLToPath(
    new URL('../../../models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf', import.meta.url),
  );
export const hasCoder = existsSync(coderFile);
