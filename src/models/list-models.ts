/** `make models`: a table of the catalogue's models and of the other GGUF files in the models folder. Used by `main.ts`. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Text } from '../../otel/text.ts';
import { formatTable } from '../kit/table.ts';
import { CATALOGUE, DEMO_MODEL_ID } from './catalogue-entries.ts';
import type { CatalogueModel, ModelSource } from './catalogue-entries.ts';
import { findLocalFile } from './catalogue.ts';

const words = {
  en: {
    head: ['MODEL', 'TITLE', 'SIZE', 'LICENCE', 'FROM', 'ON DISK'],
    python: 'Python index',
    repository: 'this repository',
    present: 'yes',
    absent: 'no',
    damaged: 'damaged',
    comma: ', ',
  },
  zh: {
    head: ['模型', '名称', '大小', '许可证', '来源', '本地'],
    python: 'PyPI',
    repository: '本仓库',
    present: '有',
    absent: '无',
    damaged: '已损坏',
    comma: '、',
  },
} satisfies Record<keyof Text, unknown>;

const mega = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

const isOther = (name: string) =>
  name.endsWith('.gguf') && CATALOGUE.every(({ file }) => file !== name);

/** @returns The lines, in the language. Reads each file of the catalogue whose sha256 is not in the cache. */
export async function listModels(modelsDir: string, language: keyof Text): Promise<string> {
  const word = words[language];
  const names = {
    huggingface: 'Hugging Face',
    modelscope: 'ModelScope',
    'python-package': word.python,
  };
  const nameSource = ({ kind }: ModelSource) => names[kind];

  const onDisk = async (model: CatalogueModel) => {
    if (model.id === DEMO_MODEL_ID) return word.present;
    const { kind } = await findLocalFile(model, modelsDir);
    return kind === 'wrong' ? word.damaged : word[kind];
  };
  const rows: string[][] = [word.head];
  // One after the other, because each writes the cache of the sha256.
  for (const model of CATALOGUE) {
    const sources = model.sources.map(nameSource).join(word.comma) || word.repository;
    const { id, title, bytes, licence } = model;
    rows.push([id, title, mega(bytes), licence, sources, await onDisk(model)]);
  }
  const files = await readdir(modelsDir).catch(() => []);
  for (const name of files.filter(isOther)) {
    // A link may lead nowhere.
    const stats = await stat(path.join(modelsDir, name)).catch(() => undefined);
    if (stats?.isFile() !== true) continue;
    const { size } = stats;
    rows.push([name, '-', mega(size), '-', '-', word.present]);
  }
  return formatTable(rows);
}
