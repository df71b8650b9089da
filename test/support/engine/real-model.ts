/** The small real model that `make model MODEL=smollm2-135m-instruct` fetches. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const realModelId = 'smollm2-135m-instruct';
export const realModelFile = fileURLToPath(
  new URL('../../../models/SmolLM2-135M-Instruct.Q4_1.gguf', import.meta.url),
);
export const hasRealModel = existsSync(realModelFile);
