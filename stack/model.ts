/** Fetches the model for `make up` before the chat service starts, and waits until the model is loaded. Used in both modes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messages } from './messages.ts';
import { createProgress, StackError } from './terminal.ts';

/** From GET /readyz of the chat service. */
interface ModelCard {
  id: string;
  title: string;
  demo: boolean;
}

const readySeconds = 300;
const pollMillis = 100;

/**
 * Fetches the model like `make model`. If the default model cannot be fetched, tries the next one of the catalogue, and finally
 * falls back to the built-in demo model.
 */
export async function fetchModel(root: string): Promise<void> {
  const args = ['src/models/main.ts', '--fallback'];
  const model = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const [code] = (await once(model, 'exit')) as [number | null];
  if (code !== 0) throw new StackError(messages.noModel());
}

/** The file outside the models folder that CHAT_MODEL names. In docker mode it is mounted by itself. */
export function findNamedModel(root: string, env: NodeJS.ProcessEnv): string | undefined {
  const name = env['CHAT_MODEL'] ?? '';
  if (!/[\\/]|\.gguf$/i.test(name)) return undefined;
  const file = resolve(root, name);
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? file : undefined;
}

/**
 * Waits until every chat service can answer, since a service is healthy before its model is loaded.
 * @returns The model of the last chat service; undefined if any of them is not ready within 5 minutes.
 */
export async function waitForModels(chatUrls: string[]): Promise<ModelCard | undefined> {
  let model: ModelCard | undefined;
  for (const url of chatUrls) {
    model = await waitForModel(url);
    if (model === undefined) return undefined;
  }
  return model;
}

async function waitForModel(chatUrl: string): Promise<ModelCard | undefined> {
  const deadline = performance.now() + readySeconds * 1000;
  const progress = createProgress();
  while (performance.now() < deadline) {
    const answer = await fetch(`${chatUrl}/readyz`).catch(() => undefined);
    const body = (await answer?.json().catch(() => undefined)) as
      | { status: string; model: ModelCard }
      | undefined;
    if (answer?.ok === true && body !== undefined) return body.model;
    progress((seconds) => messages.modelState(body?.status ?? '?', seconds));
    await delay(pollMillis);
  }
  return undefined;
}
