/**
 * `make model`: fetches the model that the service will serve, and shows the progress on the terminal.
 * `node src/models/main.ts [--model ID|FILE] [--fallback demo]`; exits 0 when the service can start.
 */
import { parseArgs } from 'node:util';
import type { Text } from '../../otel/text.ts';
import { languageOf } from '../kit/language.ts';
import { DEFAULT_MODEL_ID, findModel, SMALL_MODEL_ID } from './catalogue-entries.ts';
import type { CatalogueModel } from './catalogue-entries.ts';
import { resolveLocalModel } from './catalogue.ts';
import { DOWNLOAD_LIMITS } from './download.ts';
import { fetchModel } from './fetch-model.ts';
import type { FetchFact, Hubs } from './fetch-model.ts';
import { createProgress } from './progress.ts';

/** 128 + SIGINT, the exit code that shells use. */
const INTERRUPTED = 130;

const env = process.env;
const modelsDir = env['CHAT_MODELS_DIR'] || 'models';
const language = languageOf(env);
const progress = createProgress({
  write: (text) => process.stdout.write(text),
  isTerminal: process.stdout.isTTY,
  now: () => performance.now(),
});
const say = (message: Text): void => progress.say(message[language]);

/**
 * Reads the variables of the hubs' own clients; an empty one counts as unset. A mirror replaces Hugging Face.
 * @throws Error when HF_ENDPOINT is not a URL.
 */
function readHubs(): Hubs {
  const huggingface = env['HF_ENDPOINT'] || 'https://huggingface.co';
  if (!/^https?:$/.test(URL.parse(huggingface)?.protocol ?? '')) {
    throw new Error(
      `HF_ENDPOINT: expected a URL such as https://hf-mirror.com, got "${huggingface}"`,
    );
  }
  const token = env['HF_TOKEN'];
  return {
    huggingface: huggingface.replace(/\/+$/, ''),
    modelscope: `https://${env['MODELSCOPE_DOMAIN'] || 'modelscope.cn'}`,
    ...(token ? { huggingfaceToken: token } : {}),
  };
}

function report(fact: FetchFact): void {
  switch (fact.kind) {
    case 'waiting':
      say({
        en: 'Another `make model` uses this folder. Waiting for it to finish.',
        zh: '另一个 make model 正在使用此目录，等待其完成。',
      });
      break;
    case 'trying':
      say({ en: `Trying ${fact.source}`, zh: `正在尝试 ${fact.source}` });
      break;
    case 'gave_up':
      say({
        en: `  gave up ${fact.source}: ${fact.reason}`,
        zh: `  放弃 ${fact.source}：${fact.reason}`,
      });
      break;
    case 'progress':
      progress.update(fact.receivedBytes, fact.totalBytes);
  }
}

function explainFailure(model: CatalogueModel, fallsBack: boolean): void {
  const small = `make model MODEL=${SMALL_MODEL_ID} && make up MODEL=${SMALL_MODEL_ID}`;
  say({
    en: `${model.title} could not be fetched. You can:
  - run \`make model\` again later, or with a mirror: HF_ENDPOINT=https://hf-mirror.com make model
  - download ${model.file} yourself and put it into ${modelsDir}`,
    zh: `${model.title} 下载失败。可以：
  - 稍后再次运行 make model，或使用镜像：HF_ENDPOINT=https://hf-mirror.com make model
  - 手动下载 ${model.file}，放到 ${modelsDir}`,
  });
  if (model.id !== SMALL_MODEL_ID) {
    say({
      en: `  - use a smaller model, if only a Python package index is reachable: ${small}`,
      zh: `  - 如果只能访问 Python 软件包源，改用较小的模型：${small}`,
    });
  }
  if (fallsBack) {
    say({
      en: 'Until then the built-in demo model serves. It can say only one sentence.',
      zh: '在此之前由内置演示模型提供服务，它只会说一句话。',
    });
  }
}

async function fetchNamedModel(model: CatalogueModel, fallsBack: boolean): Promise<number> {
  const interruption = new AbortController();
  const { signal } = interruption;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interruption.abort());
  }
  const options = { model, modelsDir, hubs: readHubs(), limits: DOWNLOAD_LIMITS, report, signal };
  const file = await fetchModel(options).catch((error: unknown) => {
    if (!signal.aborted) progress.say(`  ${(error as Error).message}`);
  });
  if (signal.aborted) {
    say({
      en: 'Stopped. Run `make model` to continue.',
      zh: '已停止。再次运行 make model 即可继续下载。',
    });
    return INTERRUPTED;
  }
  if (file === undefined) {
    explainFailure(model, fallsBack);
    return fallsBack ? 0 : 1;
  }
  sayReady(model.title, file);
  return 0;
}

function sayReady(title: string, file: string): void {
  say({ en: `${title} is ready: ${file}`, zh: `${title} 已就绪：${file}` });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { model: { type: 'string' }, fallback: { type: 'string' } },
  });
  if (values.fallback !== undefined && values.fallback !== 'demo') {
    progress.say(`--fallback: expected demo, got "${values.fallback}"`);
    return 2;
  }
  const name = values.model || env['CHAT_MODEL'] || DEFAULT_MODEL_ID;
  const model = findModel(name);
  if (model !== undefined && model.sources.length > 0) {
    return fetchNamedModel(model, values.fallback === 'demo');
  }
  const local = await resolveLocalModel({ model: name, modelsDir });
  sayReady(local.title, local.path);
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  progress.say(error instanceof Error ? error.message : String(error));
  return 1;
});
