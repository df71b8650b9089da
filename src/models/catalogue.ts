/** What can be served, pinned by sha256, and which file on this machine serves a name. The service asks at its start. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

export interface CatalogueEntry {
  id: string;
  title: string;
  file: string;
  bytes: number;
  sha256: string;
}

export const catalogue: readonly CatalogueEntry[] = [
  {
    id: 'qwen2.5-0.5b-instruct',
    title: 'Qwen2.5-0.5B-Instruct Q4_K_M',
    file: 'qwen2.5-0.5b-instruct-q4_k_m.gguf',
    bytes: 491_400_032,
    sha256: '74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db',
  },
];

const demoPath = fileURLToPath(new URL('demo/llamascope-demo.gguf', import.meta.url));

export interface ResolvedModel {
  id: string;
  path: string;
  title: string;
  demo: boolean;
  /** 64 hexadecimal digits. */
  sha256: string;
  /** Why the demo serves and what to do about it; for the log and the page. */
  notice?: string;
}

/**
 * A catalogue id from the models folder, else the built-in demo; or the GGUF file that the user names.
 * @throws Error where a named file does not exist or is no GGUF, or the name is neither an id nor a file.
 */
export async function resolveLocalModel(options: {
  model: string;
  modelsDir: string;
}): Promise<ResolvedModel> {
  const entry = catalogue.find(({ id }) => id === options.model);
  if (entry === undefined && options.model !== 'demo') return resolveFile(options.model);
  if (entry !== undefined) {
    const file = path.join(options.modelsDir, entry.file);
    const size = await stat(file).then(
      (info) => info.size,
      () => undefined,
    );
    if (size === entry.bytes) {
      return { id: entry.id, path: file, title: entry.title, demo: false, sha256: entry.sha256 };
    }
  }
  return {
    id: 'demo',
    path: demoPath,
    title: 'llamascope built-in demo / 内置演示模型',
    demo: true,
    sha256: await sha256Of(demoPath),
    notice:
      `${options.model} is not in ${options.modelsDir}: the built-in demo model serves instead and says one sentence. ` +
      `Run \`make model\` to fetch it. / 未找到 ${options.model},现由内置演示模型应答;运行 make model 获取。`,
  };
}

async function resolveFile(file: string): Promise<ResolvedModel> {
  const known = catalogue.map(({ id }) => id).join(', ');
  const handle = await open(file).catch(() => {
    throw new Error(
      `CHAT_MODEL: expected one of ${known}, demo, or a GGUF file that exists, got "${file}"`,
    );
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead < 4 || buffer.toString('latin1') !== 'GGUF') {
      throw new Error(`CHAT_MODEL: expected a GGUF file, "${file}" does not begin like one`);
    }
  } finally {
    await handle.close();
  }
  const id = path.basename(file).replace(/\.gguf$/i, '');
  return { id, path: file, title: id, demo: false, sha256: await sha256Of(file) };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
