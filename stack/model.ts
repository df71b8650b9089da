/** Fetches the model for `make up` before the chat service starts, and reads whether the service can answer. Used in both modes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceState } from '../otel/names.ts';
import { stateTexts } from '../otel/text.ts';
import { messages } from './messages.ts';
import { runProgram } from './program.ts';
import { createProgress, StackError } from './terminal.ts';

interface ModelCard {
  id: string;
  title: string;
  demo: boolean;
}

/** GET /readyz of the chat service. */
export interface Readiness {
  status: ServiceState;
  /** llama.cpp's line in state `failed`; how the engine process ended in state `restarting`. */
  reason?: string;
  /** In front of the server of BACKEND_URL, which has no engine process, threads and queue of ours. */
  backend?: boolean;
  /** Restarts of the engine process. */
  restarts?: number;
  /** Threads that decode now, in state `ready`. */
  threads?: number;
  /** Requests that wait for a sequence, and how many may. Absent in the answer of a service of an older version. */
  queue?: { depth: number; limit: number };
  model: ModelCard;
}

/** `late`: no answer could be generated within 5 minutes. */
export type ModelOutcome =
  | { kind: 'ready'; model: ModelCard; isBackend: boolean }
  | { kind: 'failed'; name: string; reason: string }
  | { kind: 'unreachable'; name: string; reason: string }
  | { kind: 'late' };

const readySeconds = 300;
const pollMillis = 100;
const timeoutMillis = 2000;

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

/** Path, size and time of the file that the chat service will load, so that a replaced file is noticed. */
export async function identifyModel(root: string): Promise<string> {
  const { text } = await runProgram(process.execPath, ['src/models/main.ts', '--resolve'], {
    cwd: root,
  });
  const file = text.trim();
  const stat = statSync(resolve(root, file), { throwIfNoEntry: false });
  return `${file} ${stat?.size} ${stat?.mtimeMs}`;
}

/** The file outside the models folder that CHAT_MODEL names. In docker mode it is mounted by itself. */
export function findNamedModel(root: string, env: NodeJS.ProcessEnv): string | undefined {
  const name = env['CHAT_MODEL'] ?? '';
  if (!/[\\/]|\.gguf$/i.test(name)) return undefined;
  const file = resolve(root, name);
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? file : undefined;
}

/** Undefined if the chat service does not answer within 2 s. */
export async function readReadiness(chatUrl: string): Promise<Readiness | undefined> {
  const signal = AbortSignal.timeout(timeoutMillis);
  const answer = await fetch(`${chatUrl}/readyz`, { signal }).catch(() => undefined);
  return (await answer?.json().catch(() => undefined)) as Readiness | undefined;
}

/**
 * Waits until every chat service can answer, since a service is healthy before its model is loaded, or until one of them cannot
 * load its model. @param chats name → URL
 */
export async function waitForModels(chats: Record<string, string>): Promise<ModelOutcome> {
  const deadline = performance.now() + readySeconds * 1000;
  const progress = createProgress();
  let outcome: ModelOutcome = { kind: 'late' };
  for (const [name, url] of Object.entries(chats)) {
    outcome = { kind: 'late' };
    while (outcome.kind === 'late' && performance.now() < deadline) {
      const answer = await readReadiness(url);
      if (answer?.status === 'ready') {
        outcome = { kind: 'ready', model: answer.model, isBackend: answer.backend === true };
      }
      if (answer?.status === 'failed' || answer?.status === 'unreachable') {
        return { kind: answer.status, name, reason: answer.reason ?? '-' };
      }
      progress((seconds) => messages.modelState(stateTexts[answer?.status ?? 'stopped'], seconds));
      await delay(pollMillis);
    }
    if (outcome.kind === 'late') return outcome;
  }
  return outcome;
}
