/** The small real model, where `make model MODEL=smollm2-135m-instruct` has brought it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = new URL('../../../models/SmolLM2-135M-Instruct.Q4_1.gguf', import.meta.url);

export const realModelId = 'smollm2-135m-instruct';
export const hasRealModel = existsSync(fileURLToPath(file));
