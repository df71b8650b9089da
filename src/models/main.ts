/**
 * `make model`: fetches the model that the service will serve, and shows the progress on the terminal. `make models` lists the
 * models. `node src/models/main.ts [--model ID|FILE] [--fallback] [--list] [--resolve]`; exits 0 when the service can start.
 * With `--resolve` it prints only the path of the file that the service would load.
 */
import { parseArgs } from 'node:util';
import type { Text } from '../../otel/text.ts';
import { languageOf } from '../kit/language.ts';
import { problemInChinese } from '../kit/problem-in-chinese.ts';
import { DEFAULT_MODEL_ID, findModel, REAL_MODELS } from './catalogue-entries.ts';
import type { CatalogueModel } from './catalogue-entries.ts';
import { resolveLocalModel } from './catalogue.ts';
import { DOWNLOAD_LIMITS } from './download.ts';
import { fetchFirstModel } from './fetch-model.ts';
import type { FetchFact, Hubs } from './fetch-model.ts';
import { listModels } from './list-models.ts';
import { createProgress } from './progress.ts';

/** 128 + SIGINT, the exit code that shells use. */
const INTERRUPTED = 130;

const env = process.env;
const modelsDir = env['CHAT_MODELS_DIR'] || 'models';
const language = languageOf(env);
const progress = createProgress({
  write: (text) => process.stdout.write(text),
  isTerminal: process.stdout.isTTY,
  language,
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
        zh: '另一个 make model 正在使用此目录，正在等待它结束。',
      });
      break;
    case 'trying':
      say({ en: `Trying ${fact.source}`, zh: `正在尝试从 ${fact.source} 下载` });
      break;
    case 'gave_up':
      say({
        en: `  gave up ${fact.source}: ${fact.reason}`,
        zh: `  放弃 ${fact.source}：${problemInChinese(fact.reason)}`,
      });
      break;
    case 'next_model':
      say({
        en: `${fact.failed.title} cannot be fetched. Continuing with ${fact.next.title} instead.`,
        zh: `${fact.failed.title} 无法下载，改用 ${fact.next.title}。`,
      });
      break;
    case 'progress':
      progress.update(fact.receivedBytes, fact.totalBytes);
  }
}

function explainFailure(model: CatalogueModel, fallsBack: boolean): void {
  say({
    en: `${model.title} could not be fetched. You can:
  - run \`make model\` again later, or with a mirror: HF_ENDPOINT=https://hf-mirror.com make model
  - download ${model.file} yourself and put it into ${modelsDir}
  - use another model: \`make models\` lists them`,
    zh: `${model.title} 下载失败。可以：
  - 稍后再次运行 make model，或使用镜像：HF_ENDPOINT=https://hf-mirror.com make model
  - 手动下载 ${model.file}，放到 ${modelsDir}
  - 改用其他模型：make models 可列出所有模型`,
  });
  if (fallsBack) {
    say({
      en: 'Until then the built-in demo model serves. It can say only one sentence.',
      zh: '在此之前由内置演示模型提供服务，它只会说一句话。',
    });
  }
}

/** Fetches the first of the models that can be fetched. */
async function fetchFirst(models: readonly CatalogueModel[], fallsBack: boolean): Promise<number> {
  const interruption = new AbortController();
  const { signal } = interruption;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interruption.abort());
  }
  const options = { modelsDir, hubs: readHubs(), limits: DOWNLOAD_LIMITS, report, signal };
  const fetched = await fetchFirstModel(models, options).catch((error: unknown) => {
    if (!signal.aborted) sayProblem(error);
  });
  if (signal.aborted) {
    say({
      en: 'Stopped. Run the same command again to continue.',
      zh: '已停止。再次运行同一命令即可继续下载。',
    });
    return INTERRUPTED;
  }
  if (fetched === undefined) {
    explainFailure(models[0]!, fallsBack);
    return fallsBack ? 0 : 1;
  }
  sayReady(fetched.model.title, fetched.file);
  return 0;
}

function sayReady(title: string, file: string): void {
  say({ en: `${title} is ready: ${file}`, zh: `${title} 已就绪：${file}` });
}

function sayProblem(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  say({ en: message, zh: problemInChinese(message) });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      fallback: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      resolve: { type: 'boolean', default: false },
    },
  });
  if (values.list) {
    console.log(await listModels(modelsDir, language));
    return 0;
  }
  const wanted = values.model || env['CHAT_MODEL'] || undefined;
  if (values.resolve) {
    console.log((await resolveLocalModel({ model: wanted, modelsDir })).path);
    return 0;
  }
  if (!wanted && values.fallback) return fetchFirst(REAL_MODELS, true);
  const name = wanted || DEFAULT_MODEL_ID;
  const model = findModel(name);
  if (model !== undefined && model.sources.length > 0) return fetchFirst([model], values.fallback);
  const local = await resolveLocalModel({ model: name, modelsDir });
  sayReady(local.title, local.path);
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  sayProblem(error);
  return 1;
});
