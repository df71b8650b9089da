/** The model that `make up` brings before it starts the chat service, and waits for afterwards. Used in both modes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { messages, say, StackError } from './messages.ts';

/** As GET /readyz of the chat service tells it. */
export interface ModelCard {
  id: string;
  title: string;
  demo: boolean;
}

const readySeconds = 300;
const pollMillis = 100;
const progressMillis = 3000;

/** What `make model` does, and the built-in demo where no model can be had; it tells its own progress. */
export async function bringModel(root: string): Promise<void> {
  const args = ['src/models/main.ts', '--fallback', 'demo'];
  const model = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const [code] = (await once(model, 'exit')) as [number | null];
  if (code !== 0) throw new StackError(messages.noModel());
}

/**
 * What all of them serve, once all of them can; undefined when it takes too long. A service is well before its model is
 * loaded: a table that came earlier would invite a 503.
 */
export async function waitForModels(chatUrls: string[]): Promise<ModelCard | undefined> {
  let served: ModelCard | undefined;
  for (const url of chatUrls) {
    served = await waitForModel(url);
    if (served === undefined) return undefined;
  }
  return served;
}

async function waitForModel(chatUrl: string): Promise<ModelCard | undefined> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  for (;;) {
    const now = performance.now();
    const answer = await fetch(`${chatUrl}/readyz`).then(
      async (response) => ({
        ready: response.ok,
        ...((await response.json()) as { status: string; model: ModelCard }),
      }),
      () => undefined,
    );
    if (answer?.ready === true) return answer.model;
    if (now - startedAt > readySeconds * 1000) return undefined;
    if (now - toldAt > progressMillis) {
      toldAt = now;
      say(messages.engineIs(answer?.status ?? '?', Math.round((now - startedAt) / 1000)));
    }
    await delay(pollMillis);
  }
}
